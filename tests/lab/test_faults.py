"""The faults that other tests put on hosts: each can be seen while it lasts, and not after."""

from __future__ import annotations

import socket

import pytest

from cluster.vocabulary.families import Family
from lab import hosts
from lab.host import Machine
from tests.lab import faults

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def machine(own_lab: str) -> Machine:
    """One host."""
    hosts.up(own_lab, hosts=1)
    return hosts.machine_of(f"{own_lab}-1", own_lab)


def _out(machine: Machine, script: str) -> str:
    return hosts.run_in(machine.name, ["sh", "-c", script], machine.lab.name).stdout.strip()


def _answers(machine: Machine, family: Family, port: int) -> bool:
    try:
        socket.create_connection((str(machine.lab.network.address(machine.number, family)), port), timeout=3).close()
    except OSError:
        return False
    return True


def test_little_memory(machine: Machine) -> None:
    """/proc/meminfo shows the memory asked for."""
    before = _out(machine, "head -1 /proc/meminfo")
    with faults.little_memory(machine, 300):
        assert _out(machine, "head -1 /proc/meminfo").split() == ["MemTotal:", "307200", "kB"]
    assert _out(machine, "head -1 /proc/meminfo") == before


def test_swap_on(machine: Machine) -> None:
    """/proc/swaps lists a partition, as util-linux reads it."""
    with faults.swap_on(machine):
        assert "/dev/vdb1" in _out(machine, "cat /proc/swaps")
    assert _out(machine, "tail -n +2 /proc/swaps") == ""


@pytest.mark.parametrize("family", list(Family))
def test_busy_port(machine: Machine, family: Family) -> None:
    """Somebody listens on the port over both families."""
    assert not _answers(machine, family, 6443)
    with faults.busy_port(machine, 6443):
        assert _answers(machine, family, 6443)
    assert not _answers(machine, family, 6443)


def test_firewall(machine: Machine) -> None:
    """A dropped port no longer answers, the others do; another family's rule does not matter."""
    with faults.busy_port(machine, 10250):
        with faults.firewall(machine, "tcp dport 10250 drop", "udp dport 8472 drop"):
            assert not _answers(machine, Family.IPV4, 10250)
            assert _answers(machine, Family.IPV4, 22)
        with faults.firewall(machine, "meta nfproto ipv6 tcp dport 10250 drop"):
            assert _answers(machine, Family.IPV4, 10250)
            assert not _answers(machine, Family.IPV6, 10250)
        assert _answers(machine, Family.IPV6, 10250)


@pytest.mark.parametrize("family", list(Family))
def test_without_address(machine: Machine, family: Family) -> None:
    """The address and its default route go, and come back usable."""
    version = "-4" if family is Family.IPV4 else "-6"
    look = f"ip {version} -oneline address show dev host0 scope global; ip {version} route show default"
    before = _out(machine, look)
    assert before.count("\n") == 1
    with faults.without_address(machine, family):
        assert _out(machine, look) == ""
        assert not _answers(machine, family, 22)
    assert _out(machine, look).count("\n") == 1
    assert _answers(machine, family, 22)


def test_foreign_service(machine: Machine) -> None:
    """A running docker.service of somebody else, and nothing of it afterwards."""
    with faults.foreign_service(machine, "docker"):
        assert _out(machine, "systemctl is-active docker.service; command -v docker") == "active\n/usr/bin/docker"
    assert _out(machine, "systemctl is-active docker.service; command -v docker") == "inactive"


def test_a_fault_is_undone_when_the_test_fails(machine: Machine) -> None:
    """An exception inside takes the fault away as well."""
    with pytest.raises(ZeroDivisionError), faults.busy_port(machine, 2379):
        raise ZeroDivisionError
    assert not _answers(machine, Family.IPV4, 2379)
