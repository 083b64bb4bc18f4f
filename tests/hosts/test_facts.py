"""Facts of real hosts in one round trip: a bare one, and one with each fault that forbids a cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from cluster.facts.host_facts import HostFacts, StepState
from cluster.facts.parse import CERTIFICATE_PARTS, PARTS, SETTING_PARTS
from cluster.plan.resolution import resolve
from cluster.rules.on_facts import check_facts
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.errors import HostError
from cluster.vocabulary.families import Family
from hosts.detached import run_detached
from hosts.facts import facts_script, gather
from hosts.session import Session
from tests.hosts.one_host import one_host, problems_of
from tests.hosts.sshd import Sshd

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.host import Machine
from tests.hosts.conftest import LabMachine


def test_the_script_pleases_shellcheck() -> None:
    """As POSIX sh: hosts have dash, bash or busybox."""
    parts = tuple(dict.fromkeys((*PARTS, *SETTING_PARTS, *CERTIFICATE_PARTS)))
    checked = subprocess.run(
        [sys.executable.replace("python", "shellcheck"), "-s", "sh", "-"],
        input=facts_script(parts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout + checked.stderr == ""


def test_this_machine_is_read_over_ssh(sshd: Sshd, session: Session) -> None:
    """Whatever machine runs the tests: each part is there, and its clock is ours."""
    facts = gather(session, sshd.host())
    assert facts.host == "loopback"
    assert {unknown.part for unknown in facts.unknown} <= {"links"}, facts.unknown  # a machine for tests may lack iproute2
    assert abs(facts.clock_offset) < timedelta(seconds=2)
    assert facts.cpus >= 1
    assert any(socket.port == sshd.port and socket.protocol == "tcp" for socket in facts.sockets)


def test_every_part_has_its_section(session: Session) -> None:
    """The script's parts and the parsers are one list."""
    printed = session.run(facts_script(), limit=timedelta(seconds=60)).stdout
    sections = [line.removeprefix("@@ sixstack ") for line in printed.splitlines() if line.startswith("@@ sixstack ")]
    assert sections == ["begin", *PARTS, "end"]


class _Answer:
    """Not a host: a session whose shell answers with what it is told to. Stands in for hosts too broken to be made here."""

    def __init__(self, exit_code: int, stdout: str, stderr: str = "") -> None:
        from hosts.session import Output

        self.output = Output(exit_code, stdout, stderr, 0.1)

    def run(self, _script: str, *, limit: timedelta) -> object:
        assert limit > timedelta()
        return self.output


def test_a_script_that_fails_says_what_the_host_said(sshd: Sshd) -> None:
    """A HostError with the host's name and its words."""
    with pytest.raises(HostError, match=r"loopback: the facts script ended with exit code 2: sh: not found"):
        gather(_Answer(2, "", "sh: not found"), sshd.host())  # type: ignore[arg-type]


@pytest.mark.lab
def test_a_bare_host_may_become_a_cluster(machine: LabMachine, root_session: Session) -> None:
    """No problem is found, and its addresses are chosen without the file naming them."""
    spec = one_host(machine)
    facts = gather(root_session, spec.hosts[0])
    assert facts.unknown == ()
    assert check_facts(spec, {facts.host: facts}, bundle_architecture=facts.architecture, bundle_size=2**20) == ()
    assert resolve(spec, {facts.host: facts}).hosts[0].addresses == tuple(ip_address(address) for address in machine.addresses)


@pytest.mark.lab
def test_gathering_changes_nothing(machine: LabMachine, root_session: Session) -> None:
    """No file outside of logs and /run is newer than the moment before."""
    root_session.run("touch /root/before; sleep 0.05", limit=timedelta(seconds=5))
    gather(root_session, machine.host())
    find = "find / -xdev -type f -newer /root/before -not -path '/run/*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/*'; rm /root/before"
    assert root_session.run(find, limit=timedelta(seconds=30)).stdout == ""


@pytest.mark.lab
def test_sudo_gives_the_same_facts_as_root(machine: LabMachine, root_session: Session) -> None:
    """The scripts run as root either way."""
    with_sudo = machine.open("ops", credential=Credential(password=machine.password, sudo_password=machine.password))
    try:
        facts = gather(with_sudo, machine.host())
    finally:
        with_sudo.close()
    assert facts.root
    # the names of listening processes are shown to root alone
    assert facts.sockets == gather(root_session, machine.host()).sockets


def _faults() -> dict[str, tuple[Callable[[Machine], AbstractContextManager[None]], str, str]]:
    from tests.lab import faults

    return {
        "memory": (lambda machine: faults.little_memory(machine, 512), "too-little-memory", "512 MB"),
        "swap": (faults.swap_on, "swap-on", "/dev/vdb1"),
        "port": (lambda machine: faults.busy_port(machine, 6443), "port-busy", "port 6443/tcp"),
        "firewall": (lambda machine: faults.firewall(machine, "tcp dport 6443 drop"), "firewall-closed", "6443/tcp"),
        "address": (lambda machine: faults.without_address(machine, Family.IPV6), "no-node-address", "IPv6"),
        "docker": (lambda machine: faults.foreign_service(machine, "docker"), "foreign-runtime", "docker"),
    }


@pytest.mark.lab
@pytest.mark.parametrize("fault", ["memory", "swap", "port", "firewall", "address", "docker"])
def test_a_fault_of_a_real_host_is_named(fault: str, machine: LabMachine, lab_machine: Machine, root_session: Session) -> None:
    """While it lasts, with what was found; afterwards the host is good again."""
    make, code, words = _faults()[fault]
    spec = one_host(machine)
    with make(lab_machine):
        found = problems_of(spec, root_session)
    assert {problem.code for problem in found} == {code}
    assert any(words in problem.message for problem in found), found
    assert all(problem.path.startswith(f"hosts/{machine.name}/") and problem.hint for problem in found)
    assert problems_of(spec, root_session) == ()


def naps(facts: HostFacts) -> tuple[StepState, ...]:
    """The steps of the next test, whatever others have left."""
    return tuple(step for step in facts.steps if step.name == "nap")


@pytest.mark.lab
def test_a_detached_step_is_seen_while_it_runs_and_after(machine: LabMachine, root_session: Session) -> None:
    """Running, then ended with its exit code."""
    second = machine.open()
    with ThreadPoolExecutor(1) as pool:
        step = pool.submit(
            run_detached,
            second,
            cluster="facts",
            step="nap",
            script="until [ -e /run/nap-over ]; do sleep 0.1; done; exit 3",
            limit=timedelta(minutes=2),
        )
        deadline = time.monotonic() + 60
        while not (seen := naps(gather(root_session, machine.host()))) or not seen[0].running:
            assert time.monotonic() < deadline, seen
        root_session.run("touch /run/nap-over", limit=timedelta(seconds=30))
        assert seen == (StepState("nap", 1, True, None),)
        assert step.result().exit_code == 3
    second.close()
    assert naps(gather(root_session, machine.host())) == (StepState("nap", 1, False, 3),)
    root_session.run("rm -r /var/lib/sixstack /run/nap-over", limit=timedelta(seconds=30))
