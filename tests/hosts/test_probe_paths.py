"""Bare hosts of the lab try to reach each other: each fault is seen where it is, and nothing is left on any of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import permutations

import pytest

from cluster.facts.host_paths import Connectivity, HostPath
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.families import Family
from cluster.vocabulary.spec import SSH
from hosts.probe_paths import LIMIT, PATIENCE_SECONDS, try_paths
from hosts.session import Session
from lab import hosts
from lab.host import Machine
from lab.state import LabHost
from templates import render
from tests.conftest import BOTH, LAB
from tests.lab import faults
from tests.lived_in import LOOK

pytestmark = [pytest.mark.lab]

LISTENERS = "ss -Hlntup; pgrep -a perl; ls -A /run/sixstack 2>/dev/null; true"

Closed = set[tuple[int, int, str, int, Family, str]]


@dataclass(frozen=True)
class BareHosts:
    """Three bare hosts, a session with each, and every path between them: TCP to a port nobody has, and UDP."""

    sessions: dict[str, Session]
    paths: tuple[HostPath, ...]

    def machine(self, number: int) -> Machine:
        """Host `number`, from 1."""
        return hosts.machine_of(f"{LAB}-{number}", LAB)

    def run(self, number: int, script: str) -> str:
        """Run a script in a host; what it printed."""
        done = hosts.run_in(f"{LAB}-{number}", ["sh", "-c", script], LAB)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def look(self) -> list[str]:
        """What all hosts are like, what listens there included."""
        return [self.run(number, LOOK + LISTENERS) for number in (1, 2, 3)]

    def tried(self) -> Connectivity:
        """Try every path; the hosts are afterwards as they were before."""
        before = self.look()
        found = try_paths(self.paths, self.sessions)
        for number in (1, 2, 3):  # sshd tells them to end when their channel is closed
            self.run(number, "for try in $(seq 300); do pgrep perl || exit 0; sleep 0.1; done")
        assert self.look() == before
        return found

    def closed(self) -> Closed:
        """The paths that are closed, hosts as numbers, and how."""
        return closed_in(self.tried())


def closed_in(found: Connectivity) -> Closed:
    """The paths that were found closed, hosts as numbers, and how."""
    return {
        (int(one.path.source[-1]), int(one.path.target[-1]), one.path.protocol, one.path.port, one.path.family, one.found)
        for one in found.closed
    }


@pytest.fixture(scope="module")
def three(lab_hosts: tuple[LabHost, ...]) -> Iterator[BareHosts]:  # noqa: ARG001
    """Three bare dual-stack hosts."""
    up = hosts.up(LAB, families=BOTH, management=BOTH)
    key = Credential(private_key=hosts.lab_of(LAB).key_file.read_text())
    sessions = {
        host.name: Session.open(host.name, SSH(address=str(host.addresses[0]), user="root", host_key=host.host_key), lambda _name: key)
        for host in up
    }
    paths = tuple(
        HostPath(one.name, other.name, protocol, port, part, source, target, running=False)
        for one, other in permutations(up, 2)
        for source, target in zip(one.addresses, other.addresses, strict=True)
        for protocol, port, part in (("tcp", 10250, "kubelet"), ("udp", 8472, "VXLAN"))
    )
    try:
        yield BareHosts(sessions, paths)
    finally:
        for session in sessions.values():
            session.close()


def test_between_bare_hosts_every_path_is_open(three: BareHosts) -> None:
    """Nobody listens there but the hosts themselves, for a moment; no path is waited for."""
    found = three.tried()
    assert (found.tried, found.closed, found.untried) == (24, (), ())
    assert found.seconds < PATIENCE_SECONDS  # nothing was waited for


def test_each_closed_path_is_found_and_no_other(three: BareHosts) -> None:
    """One family, one direction, one pair, before every other rule: all at once, and the whole costs what one lost packet costs."""
    one, two, three_ = (three.machine(number) for number in (1, 2, 3))
    with ExitStack() as stack:
        stack.enter_context(faults.firewall(one, "meta nfproto ipv6 udp dport 8472 drop"))
        # what a rule of one source closes is open to the others
        stack.enter_context(faults.firewall(two, f"ip6 saddr {one.addresses[1]} tcp dport 10250 drop"))
        # what does not leave a host; what is sent to it arrives
        stack.enter_context(faults.firewall(three_, "ip daddr 198.18.0.0/24 udp dport 8472 drop", hook="output"))
        found = three.tried()
        assert closed_in(found) == {
            *((source, 1, "udp", 8472, Family.IPV6, "silent") for source in (2, 3)),
            (1, 2, "tcp", 10250, Family.IPV6, "silent"),
            *((3, target, "udp", 8472, Family.IPV4, "silent") for target in (1, 2)),
        }
        assert found.seconds < 5 * PATIENCE_SECONDS  # what the five would take one after another


def test_a_rejecting_firewall_is_no_open_path(three: BareHosts) -> None:
    """A reset, a port unreachable and an administrative prohibition look like answers; and a prerouting hook drops as a security group does."""
    with ExitStack() as stack:
        rules = ("tcp dport 10250 reject with tcp reset", "udp dport 8472 reject")
        stack.enter_context(faults.firewall(three.machine(1), *(f"meta nfproto ipv4 {rule}" for rule in rules)))
        stack.enter_context(faults.firewall(three.machine(2), "meta nfproto ipv6 tcp dport 10250 reject with icmpv6 type admin-prohibited"))
        stack.enter_context(faults.firewall(three.machine(3), "meta nfproto ipv6 meta l4proto udp drop", hook="prerouting"))
        assert three.closed() == {
            *((source, 1, "tcp", 10250, Family.IPV4, "Connection refused") for source in (2, 3)),
            *((source, 1, "udp", 8472, Family.IPV4, "silent") for source in (2, 3)),
            *((source, 2, "tcp", 10250, Family.IPV6, "Permission denied") for source in (1, 3)),
            *((source, 3, "udp", 8472, Family.IPV6, "silent") for source in (1, 2)),
        }


def test_a_port_that_is_taken_is_reached_all_the_same(three: BareHosts) -> None:
    """Who listens there is another rule's matter; for UDP a device of the kernel may have the port."""
    device = "ip link add vxlan-test type vxlan id 9 dstport 8472 local {} dev host0; ip link set vxlan-test up"
    with faults.busy_port(three.machine(1), 10250):
        three.run(2, device.format(three.machine(2).addresses[0]))
        try:
            assert try_paths(three.paths, three.sessions).closed == ()
        finally:
            three.run(2, "ip link delete vxlan-test")


def test_a_host_that_a_run_works_on_is_left_out(three: BareHosts) -> None:
    """Its ports may be about to be bound by what that run starts; the others try without it, and do not wait for it."""
    three.run(
        3,
        "mkdir /run/sixstack; systemd-run --quiet --unit=holder flock /run/sixstack/lock sleep 600; "
        "while flock -n /run/sixstack/lock true; do sleep 0.05; done",
    )
    try:
        found = try_paths(three.paths, three.sessions)
    finally:
        three.run(3, "systemctl stop holder.service; rm -r /run/sixstack")
    assert found.untried == ((f"{LAB}-3", "busy"),)
    assert (found.tried, found.closed) == (8, ())
    assert found.seconds < PATIENCE_SECONDS  # nothing was waited for


@pytest.mark.parametrize("module", ["", "Errno", "Fcntl", "Socket"])
def test_a_host_without_perl_or_one_of_its_modules_is_left_out(three: BareHosts, module: str) -> None:
    """No Debian is without them; another system may be."""
    # package perl has a copy of each module beside that of perl-base
    files = f"$(find /usr/lib /usr/share -path '*perl*' -name {module}.pm)" if module else "/usr/bin/perl"
    three.run(1, f"for file in {files}; do mv $file $file.away; done")
    try:
        found = try_paths(three.paths, three.sessions)
    finally:
        three.run(1, "for file in $(find /usr/lib /usr/share /usr/bin -name '*.away'); do mv $file ${file%.away}; done")
    assert found.untried == ((f"{LAB}-1", "lacking perl"),)
    assert (found.tried, found.closed) == (8, ())


@pytest.mark.parametrize("end", ["connection", "limit"])
def test_listening_ends_with_the_connection_and_with_its_limit(three: BareHosts, end: str) -> None:
    """Whatever becomes of those who asked for it: a broken connection ends it at once, and without any sign its own limit does."""
    host = hosts.status(LAB)[0]
    key = Credential(private_key=hosts.lab_of(LAB).key_file.read_text())
    session = Session.open(host.name, SSH(address=str(host.addresses[0]), user="root", host_key=host.host_key), lambda _name: key)
    script = render(
        "host_paths/probe-paths.sh.j2",
        lines=[f"listen {address} 10250" for address in host.addresses],
        nonce="0123456789abcdef",
        patience=1,
        limit=10 if end == "limit" else 600,
    )
    held = session.hold(script, limit=LIMIT)
    assert held.first_line == "listening"
    assert three.run(1, "ss -Hlnt sport = :10250").count("10250") == len(host.addresses)
    if end == "connection":
        session.close()
    try:
        three.run(1, "for try in $(seq 500); do pgrep perl >/dev/null || exit 0; sleep 0.1; done; exit 1")
        assert three.run(1, "ss -Hlnt sport = :10250") == ""
    finally:
        session.close()
