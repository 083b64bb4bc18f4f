"""States of real hosts that break a cluster, or that break it later: each is reported from the facts, with its remedy, before anything changes.

The remedy of each hint is followed, and the problem is gone: every command in backticks is run, every alternative for the cluster file is tried.
What belongs to the whole machine (kernel modules, inotify, cgroups, clocks) is a file bound over the one in /proc, or a command first in PATH.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cluster.facts.host_paths import Connectivity
from cluster.file.reader import read_document
from cluster.rules.on_facts import check_facts
from cluster.rules.on_facts.host_paths import paths_to_probe
from cluster.vocabulary.credentials import Credential
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec
from hosts.facts import gather
from hosts.probe_paths import try_paths
from hosts.session import Session
from lab import hosts
from lab.host import init_pid
from tests.conftest import LAB
from tests.hosts.conftest import LabMachine
from tests.hosts.one_host import one_host, problems_of
from tests.lab import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.host import Machine

pytestmark = pytest.mark.lab

LIMIT = timedelta(seconds=30)


@dataclass(frozen=True)
class State:
    """A state of a host, what undoes it, and what the rules find."""

    script: str
    undo: str  # works also after the remedy
    codes: set[str]
    words: str
    fields: dict[str, Any]
    remedy: str  # for a hint without commands: what its words ask for
    link: str  # for LINK in a command
    then: dict[str, Any]  # for a hint on the cluster file without YAML: the fields that its words ask for


def _state(
    script: str,
    undo: str,
    codes: str,
    words: str,
    *,
    remedy: str = "",
    link: str = "host0",
    then: dict[str, Any] | None = None,
    **fields: Any,
) -> State:
    return State(script, undo, set(codes.split()), words, fields, remedy, link, then or {})


def commands_of(problem: Problem) -> list[str]:
    """The commands in a hint."""
    return [text for text in re.findall(r"`([^`]+)`", problem.hint) if not _is_yaml(text)]


def fields_of(problem: Problem) -> dict[str, Any]:
    """What a hint proposes for the cluster file."""
    return {key: value for text in re.findall(r"`([^`]+)`", problem.hint) if _is_yaml(text) for key, value in yaml.safe_load(text).items()}


def _is_yaml(text: str) -> bool:
    return re.match(r"[a-z_]+: ", text) is not None


def changed_spec(spec: ClusterSpec, fields: dict[str, Any]) -> ClusterSpec:
    """A cluster file with some fields of it replaced, one level down."""
    document = spec.model_dump(mode="json", exclude_unset=True)
    for key, value in fields.items():
        document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    reading = read_document(document)
    assert reading.spec is not None, reading.problems
    return reading.spec


def follow(session: Session, problems: Iterable[Problem], remedy: str = "", link: str = "host0") -> None:
    """Do what the hints say."""
    for problem in problems:
        for command in [remedy] if remedy else commands_of(problem):
            done = session.run(re.sub(r"\bLINK\b", link, command), limit=LIMIT)
            assert done.ok, f"{command}: {done.stdout}{done.stderr}"
        if remedy:
            return


WRITE_RESOLVER = "cp /etc/resolv.conf /root/resolv.conf; printf '{}' >/etc/resolv.conf"
UNDO_RESOLVER = "cat /root/resolv.conf >/etc/resolv.conf; rm /root/resolv.conf"
REMOVE_LINK = "ip link delete {0} 2>/dev/null || true"
GOOD_RESOLVER = "printf 'nameserver 192.0.2.53\\n' >/etc/resolv.conf"
LISTEN = r"""
systemd-run --quiet --collect --unit=own-listener perl -MSocket -e 'socket(S, PF_INET6, SOCK_STREAM, 0); bind(S, pack_sockaddr_in6(10250, Socket::IN6ADDR_ANY())); listen(S, 1); sleep'
until ss -Hlnt sport = :10250 | grep -q 10250; do sleep 0.1; done
"""
FILTER = """
nft 'table inet own {
  chain incoming { type filter hook input priority 0; policy drop; ct state established,related accept; iifname "lo" accept; meta l4proto { icmp, ipv6-icmp } accept; tcp dport 22 accept; }
  chain forwarded { type filter hook forward priority 0; policy drop; ct state established,related accept; }
}'
"""
TWO_OWNERS = """
ip netns add other; ip link add own0 type veth peer name own1 netns other; ip -n other link set own1 up; ip link set own0 up
ip -n other address add fd77::9/64 dev own1 nodad; ip address add 192.0.2.9/24 dev own0; ip -6 address add fd77::9/64 dev own0
until ip -6 address show dev own0 | grep -q dadfailed; do sleep 0.1; done
"""
OWN = "those of the host"
OF_OWN0 = {"addresses": ["192.0.2.9", "fd77::9"]}
STATES = {
    "docker0-in-the-pod-range": _state(
        "ip link add docker0 type bridge; ip address add 10.244.0.1/16 dev docker0; ip link set docker0 up",
        REMOVE_LINK.format("docker0"),
        "range-on-hosts",
        "docker0 has 10.244.0.1/16",
        remedy="ip link delete docker0",
    ),
    "a-link-in-the-service-range": _state(
        "ip link add eth9 type veth peer name eth8; ip address add 10.96.0.11/16 dev eth9; ip link set eth9 up",
        REMOVE_LINK.format("eth9"),
        "range-on-hosts",
        "eth9 has 10.96.0.11/16",
        remedy="ip address del 10.96.0.11/16 dev eth9",
    ),
    "a-route-in-the-pod-range": _state(
        "ip -6 route add fd44:0:0:12::/64 dev host0; ip route add blackhole 10.244.7.0/24",
        "ip -6 route del fd44:0:0:12::/64 dev host0; ip route del blackhole 10.244.7.0/24",
        "range-on-hosts",
        "route to fd44:0:0:12::/64 on host0",
        then={"network": {"pods": [{"cidr": "10.1.0.0/16"}, {"cidr": "fd44:2::/56"}]}},
    ),
    "a-route-around-the-ranges": _state(
        "ip route add 10.0.0.0/8 dev host0",
        "ip route del 10.0.0.0/8 dev host0 2>/dev/null || true",
        "range-in-host-network",
        "route to 10.0.0.0/8",
        remedy="ip route del 10.0.0.0/8 dev host0",
    ),
    "a-bridge-around-the-endpoint": _state(
        "ip link add docker0 type bridge; ip address add 172.30.0.1/16 dev docker0; ip link set docker0 up",
        REMOVE_LINK.format("docker0"),
        "address-in-local-network endpoint-on-no-host",
        "docker0 has the network 172.30.0.0/16",
        control_plane={"endpoint": "172.30.0.5:6443"},
    ),
    "ipv6-disabled-on-new-links": _state(
        "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6",
        "echo 0 >/proc/sys/net/ipv6/conf/default/disable_ipv6",
        "ipv6-disabled",
        "new links",
    ),
    "ipv6-disabled-on-loopback": _state(
        "echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6", "echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6", "ipv6-disabled", "on lo"
    ),
    "noexec-on-opt": _state(
        "mount --bind /opt /opt; mount -o remount,bind,noexec /opt", "umount /opt", "mount-noexec", "/opt is mounted noexec"
    ),
    "read-only-etc": _state(
        "mount --bind /etc /etc; mount -o remount,bind,ro /etc", "umount /etc", "mount-read-only", "/etc is mounted read-only"
    ),
    "noexec-on-volumes": _state(
        "mount -t tmpfs -o noexec own /var/lib/kubelet",
        "umount /var/lib/kubelet",
        "mount-restricts-volumes",
        "/var/lib/kubelet is mounted noexec",
    ),
    "a-small-disk": _state(
        "mount -t tmpfs -o size=2m own /var/lib/containerd",
        "while mountpoint -q /var/lib/containerd && findmnt -no SOURCE /var/lib/containerd | grep -qx own; do umount /var/lib/containerd; done",
        "too-little-disk",
        "MB are free under /var/lib",
        remedy="mount -t tmpfs -o size=100m own /var/lib/containerd",
    ),
    "a-name-server-with-a-zone": _state(
        WRITE_RESOLVER.format(r"nameserver fe80::1%%host0\n"),
        UNDO_RESOLVER,
        "name-server-unusable",
        "fe80::1 (link-local)",
        remedy=GOOD_RESOLVER,
    ),
    "a-name-server-on-loopback": _state(
        WRITE_RESOLVER.format(r"nameserver 127.0.0.53\n"), UNDO_RESOLVER, "name-server-on-loopback", "127.0.0.53", remedy=GOOD_RESOLVER
    ),
    "no-name-server": _state(
        WRITE_RESOLVER.format(r"search example.org\n"), UNDO_RESOLVER, "no-name-server", "no name server", remedy=GOOD_RESOLVER
    ),
    "a-name-server-that-is-the-pod-itself": _state(
        WRITE_RESOLVER.format(r"nameserver 0.0.0.0\nnameserver 198.18.0.1\n"),
        UNDO_RESOLVER,
        "name-server-partly-unusable",
        "0.0.0.0",
        remedy=GOOD_RESOLVER,
    ),
    "a-resolver-file-that-is-missing": _state(
        "true",
        "true",
        "resolver-file-missing",
        "/run/systemd/resolve/resolv.conf",
        then={"kubeadm": {"kubelet": {"failCgroupV1": False, "resolvConf": "/etc/resolv.conf"}}},
        kubeadm={
            "kubelet": {"failCgroupV1": False, "resolvConf": "/run/systemd/resolve/resolv.conf"},
            "ignore_preflight": ["SystemVerification"],
        },
    ),
    "a-resolver-file-that-is-not-inspected": _state(
        "true",
        "true",
        "resolver-file-not-inspected",
        "/srv/resolv.conf",
        then={"kubeadm": {"kubelet": {"failCgroupV1": False, "resolvConf": "/etc/resolv.conf"}}},
        kubeadm={"kubelet": {"failCgroupV1": False, "resolvConf": "/srv/resolv.conf"}, "ignore_preflight": ["SystemVerification"]},
    ),
    "a-name-server-of-the-other-family": _state(
        WRITE_RESOLVER.format(r"nameserver 2001:db8::53\n"),
        UNDO_RESOLVER,
        "name-server-family",
        "2001:db8::53",
        remedy=GOOD_RESOLVER,
        stack="ipv4",
        network={"pods": [{"cidr": "10.244.0.0/16"}], "services": ["10.96.0.0/16"]},
    ),
    "networkd-on-every-link": _state(
        r"printf '[Match]\nName=*\n[Network]\nDHCP=yes\n' >/etc/systemd/network/99-all.network",
        "rm /etc/systemd/network/99-all.network /etc/systemd/network/05-pods.network; networkctl reload",
        "links-of-pods-managed",
        "/etc/systemd/network/99-all.network",
        remedy=r"printf '[Match]\nName=flannel* cni0 veth*\n[Link]\nUnmanaged=yes\n' >/etc/systemd/network/05-pods.network; networkctl reload",
    ),
    "two-links": _state(
        "ip link add eth9 type veth peer name eth8; ip link set eth8 up; ip -6 address add fd77::9/64 dev eth9 nodad; ip link set eth9 up; ip -6 route replace default via fd77::1 dev eth9 metric 1; "
        "ip -6 route del default dev host0",
        "ip -6 route del default dev eth9; ip link delete eth9; networkctl reconfigure host0; until ip -6 route show default | grep -q host0; do sleep 0.1; done",
        "addresses-on-two-links",
        "fd77::9 is on eth9",
    ),
    "a-small-mtu": _state("ip link set host0 mtu 1300", "ip link set host0 mtu 1500", "mtu-too-small", "host0 has MTU 1300"),
    "an-own-packet-filter": _state(FILTER, "nft delete table inet own", "firewall-closed", "inet own incoming"),
    "a-busy-port": _state(
        LISTEN,
        "systemctl stop own-listener 2>/dev/null || true",
        "port-busy",
        "port 10250/tcp",
        remedy="kill $(ss -lntp sport = :10250 | sed -n 's/.*pid=\\([0-9]*\\).*/\\1/p')",
    ),
    "another-host-name": _state(
        "hostname node-of-old", "hostname $(cat /etc/hostname)", "hostname-differs", "the host name is node-of-old"
    ),
    "a-unit-of-another-runtime": _state(
        r"printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/docker.service; systemctl daemon-reload; systemctl start docker.service",
        "rm -f /etc/systemd/system/docker.service; systemctl daemon-reload; systemctl stop docker.service 2>/dev/null || true",
        "foreign-runtime",
        "unit docker.service",
        remedy="systemctl disable --now docker.service; rm /etc/systemd/system/docker.service; systemctl daemon-reload",
    ),
    "a-program-of-another-runtime": _state(
        "cp /bin/true /usr/local/bin/k3s", "rm -f /usr/local/bin/k3s", "foreign-runtime", "binary k3s", remedy="rm /usr/local/bin/k3s"
    ),
    "a-process-of-another-runtime": _state(
        "mkdir -p /srv/own; cp /bin/sleep /srv/own/containerd; systemd-run --quiet --collect --unit=own-runtime /srv/own/containerd infinity",
        "systemctl stop own-runtime 2>/dev/null || true; rm -rf /srv/own",
        "foreign-runtime",
        "process containerd",
        remedy="systemctl stop own-runtime",
    ),
    "a-file-of-another-pod-network": _state(
        "mkdir -p /etc/cni/net.d; echo '{}' >/etc/cni/net.d/10-own.conflist",
        "rm -rf /etc/cni",
        "leftovers",
        "/etc/cni/net.d/10-own.conflist",
        remedy="rm /etc/cni/net.d/10-own.conflist",
    ),
    "an-address-that-the-host-lacks": _state(
        "true",
        "ip address del 198.18.0.9/27 dev host0; ip address del fd77::9/64 dev host0",
        "address-not-on-host",
        "no interface of the host has fd77::9",
        host={"addresses": ["198.18.0.9", "fd77::9"]},
    ),
    "a-link-that-is-down": _state(
        "ip link add own0 type veth peer name own1; ip address add 192.0.2.9/24 dev own0; ip -6 address add fd77::9/64 dev own0 nodad",
        REMOVE_LINK.format("own0"),
        "address-not-on-host",
        "own0, which is down",
        host=OF_OWN0,
    ),
    "an-address-of-two-machines": _state(
        TWO_OWNERS,
        "ip netns delete other; ip link delete own0 2>/dev/null || true",
        "address-not-stable",
        "fd77::9 is dadfailed",
        remedy="ip -n other address del fd77::9/64 dev own1; ip -6 address del fd77::9/64 dev own0; ip -6 address add fd77::9/64 dev own0",
        host=OF_OWN0,
    ),
    "an-address-that-is-no-longer-preferred": _state(
        "ip link add own0 type veth peer name own1; ip link set own1 up; ip link set own0 up; ip address add 192.0.2.9/24 dev own0; ip -6 address add fd77::9/64 dev own0 nodad valid_lft 900 preferred_lft 0",
        REMOVE_LINK.format("own0"),
        "address-not-stable",
        "fd77::9 is deprecated",
        remedy="ip -6 address change fd77::9/64 dev own0 valid_lft forever preferred_lft forever",
        host=OF_OWN0,
    ),
    "no-address-of-a-family": _state(
        "ip -6 address show dev host0 scope global | sed -n 's/.*inet6 \\([^ ]*\\).*/\\1/p' >/run/own; ip -6 address del $(cat /run/own) dev host0",
        "ip -6 address replace $(cat /run/own) dev host0 nodad; rm /run/own; networkctl reconfigure host0; until ip -6 route show default | grep -q host0; do sleep 0.1; done",
        "no-node-address",
        "no stable global IPv6 address",
        remedy="ip -6 address add $(cat /run/own) dev host0 nodad",
    ),
    "two-addresses-of-a-family": _state(
        "ip -6 address add fd77::9/64 dev host0 nodad",
        "ip -6 address del fd77::9/64 dev host0",
        "several-node-addresses",
        "could be the node address",
        then={"host": {"addresses": OWN}},
    ),
    "a-link-that-the-host-lacks": _state(
        "true",
        "true",
        "interface-not-on-host",
        "the host has no interface eth7",
        host={"interface": "eth7"},
        then={"host": {"interface": "host0"}},
    ),
}
# problems that a state has beside its own, and that its remedy does not end
REST = {"a-bridge-around-the-endpoint": {"endpoint-on-no-host"}}


def _cluster(machine: LabMachine, fields: dict[str, Any]) -> ClusterSpec:
    """The cluster of that one host, with fields of the file or of its host."""
    document = one_host(machine).model_dump(mode="json", exclude_unset=True)
    host = {**document["hosts"][0], **fields.get("host", {})}
    if host.get("addresses") == OWN:
        host["addresses"] = list(machine.addresses)
    return one_host(machine, **{key: value for key, value in fields.items() if key != "host"}, hosts=[host])


@pytest.mark.parametrize("name", STATES)
def test_a_state_of_a_real_host_is_reported_until_its_hint_is_followed(
    name: str, machine: LabMachine, lab_machine: Machine, root_session: Session
) -> None:
    """While it lasts, with what was found; a change of the file that the hint proposes ends the problem, and so do its commands."""
    state, rest = STATES[name], REST.get(name, set())
    spec = _cluster(machine, state.fields)
    with faults.changed(lab_machine, state.script, state.undo):
        found = problems_of(spec, root_session)
        assert {problem.code for problem in found} == state.codes, found
        assert any(state.words in problem.message for problem in found), found
        assert all(problem.hint for problem in found)
        solved = [problem for problem in found if problem.code not in rest]
        for fields in filter(None, [*map(fields_of, solved), state.then]):
            other = _cluster(machine, state.fields | fields) if "host" in fields else changed_spec(spec, fields)
            assert {problem.code for problem in problems_of(other, root_session)} == rest, fields
        if state.remedy or any(map(commands_of, solved)):
            follow(root_session, solved, state.remedy, state.link)
            assert {problem.code for problem in problems_of(spec, root_session)} == rest
    if name == list(STATES)[-1]:
        assert problems_of(one_host(machine), root_session) == ()


@dataclass(frozen=True)
class TwoHosts:
    """A cluster of two real hosts, and a session with each."""

    spec: ClusterSpec
    sessions: dict[str, Session]

    @property
    def second(self) -> str:
        """The name of the worker."""
        return self.spec.hosts[1].name

    def problems(self, spec: ClusterSpec, *, probe: bool = False) -> dict[str, Problem]:
        """What the rules find, by code; with tests of the paths between the hosts."""
        facts = {host.name: gather(self.sessions[host.name], host) for host in spec.hosts}
        tried = try_paths(paths_to_probe(spec, facts), self.sessions) if probe else Connectivity()
        architecture = facts[self.second].architecture
        found = check_facts(spec, facts, bundle_architecture=architecture, bundle_size=2**20, connectivity=tried)
        return {problem.code: problem for problem in found}

    def follow(self, problem: Problem, pattern: str, word: str) -> None:
        """Run the commands of a hint on the second host."""
        for command in commands_of(problem):
            done = self.sessions[self.second].run(re.sub(rf"\b{pattern}\b", word, command), limit=LIMIT)
            assert done.ok, done.stderr


@pytest.fixture
def two_hosts(machine: LabMachine, root_session: Session) -> Iterator[TwoHosts]:
    """The first two hosts of the lab, with the addresses in the file."""
    second = hosts.status(LAB)[1]
    first = {**one_host(machine).model_dump(mode="json", exclude_unset=True)["hosts"][0], "addresses": list(machine.addresses)}
    addresses = [str(address) for address in second.addresses]
    ssh = {"address": addresses[0], "host_key": second.host_key}
    spec = one_host(machine, hosts=[first, {"name": second.name, "role": "worker", "ssh": ssh, "addresses": addresses}])
    with closing(Session.open(second.name, spec.hosts[1].ssh, lambda _name: Credential(private_key=machine.key))) as session:
        yield TwoHosts(spec, {machine.name: root_session, second.name: session})


def test_hosts_with_one_name_and_one_id_are_reported_until_the_hints_are_followed(machine: LabMachine, two_hosts: TwoHosts) -> None:
    """The second host was cloned from the first."""
    name, lab_host = two_hosts.second, hosts.machine_of(two_hosts.second, LAB)
    identity = hosts.run_in(machine.name, ["cat", "/etc/machine-id"], LAB).stdout.strip()
    clone = f"cp /etc/machine-id /root/machine-id; hostname {machine.name}; echo {identity} >/etc/machine-id"
    undo = f"hostname {name}; echo {name} >/etc/hostname; cat /root/machine-id >/etc/machine-id; rm /root/machine-id"
    with faults.changed(lab_host, clone, undo):
        found = two_hosts.problems(two_hosts.spec)
        assert set(found) == {"hostname-twice", "machine-id-twice", "hostname-differs"}
        two_hosts.follow(found["hostname-twice"], "NAME", name)
        two_hosts.follow(found["machine-id-twice"], "NAME", name)
        assert two_hosts.problems(two_hosts.spec) == {}


def test_a_path_between_hosts_that_a_source_closes_is_reported_until_the_hint_is_followed(two_hosts: TwoHosts) -> None:
    """Which no rule can see in the packet filter."""
    sources = {address.version: address for address in two_hosts.spec.hosts[0].addresses}
    chain = f"type filter hook input priority 0; ip saddr {sources[4]} tcp dport 10250 drop; ip6 saddr {sources[6]} tcp dport 10250 drop"
    with faults.changed(
        hosts.machine_of(two_hosts.second, LAB), f"nft 'table inet own {{ chain incoming {{ {chain}; }}; }}'", "nft delete table inet own"
    ):
        found = two_hosts.problems(two_hosts.spec, probe=True)
        assert set(found) == {"hosts-cannot-reach-each-other"}, found
        problem = found["hosts-cannot-reach-each-other"]
        assert "10250/tcp" in problem.message
        two_hosts.follow(problem, "CHAIN", "inet own incoming")
        assert two_hosts.problems(two_hosts.spec, probe=True) == {}


def test_an_endpoint_on_the_wrong_host_is_reported_until_it_is_the_one_of_the_hint(machine: LabMachine, two_hosts: TwoHosts) -> None:
    """The worker's address, and an address that no host has."""
    worker = str(two_hosts.spec.hosts[1].addresses[0])
    wrong = two_hosts.problems(changed_spec(two_hosts.spec, {"control_plane": {"endpoint": f"{worker}:6443"}}))
    assert set(wrong) == {"endpoint-not-on-control-plane"}
    assert f"write an address of {machine.name} as control_plane: endpoint" in wrong["endpoint-not-on-control-plane"].hint
    nowhere = two_hosts.problems(changed_spec(two_hosts.spec, {"control_plane": {"endpoint": "192.0.2.9:6443"}}))
    assert set(nowhere) == {"endpoint-on-no-host"}
    assert two_hosts.problems(changed_spec(two_hosts.spec, {"control_plane": {"endpoint": f"{machine.addresses[0]}:6443"}})) == {}


STAND_INS: dict[str, tuple[Callable[[Machine], AbstractContextManager[None]], str, str]] = {
    "kernel-without-vxlan-bound-over-proc": (
        lambda machine: faults.kernel_without(machine, "CONFIG_VXLAN", "vxlan"),
        "kernel-module-missing",
        "no module vxlan",
    ),
    "kernel-without-overlay-bound-over-proc": (
        lambda machine: faults.kernel_without(machine, "CONFIG_OVERLAY_FS", "overlay"),
        "kernel-module-missing",
        "no module overlay",
    ),
    "inotify-limit-bound-over-proc": (
        lambda machine: faults.file_shown(machine, "/proc/sys/fs/inotify/max_user_instances", "64"),
        "inotify-limit-low",
        "max_user_instances is 64",
    ),
    "no-inotify-instances-with-a-stand-in-for-perl": (
        lambda machine: faults.stand_in(machine, "perl", "printf 0"),
        "inotify-exhausted",
        "0 free inotify instances",
    ),
    "swap-bound-over-proc": (faults.swap_on, "swap-on", "swap is on: /dev/vdb1"),
    "clock-with-a-stand-in-for-date": (
        lambda machine: faults.stand_in(machine, "date", "echo $(($(/bin/date +%s) - 6 * 365 * 86400)).0"),
        "clock-off",
        "2190 days behind the clock of the worker",
    ),
}


@pytest.mark.parametrize("name", STAND_INS)
def test_a_state_of_the_whole_machine_is_reported_with_a_stand_in(
    name: str, machine: LabMachine, lab_machine: Machine, root_session: Session
) -> None:
    """What the test cannot set, because other hosts share it, is shown to the facts instead. What the hint proposes for the file ends the problem."""
    make, code, words = STAND_INS[name]
    with make(lab_machine):
        found = problems_of(one_host(machine), root_session, inotify=code == "inotify-exhausted")
        for fields in filter(None, map(fields_of, found)):
            assert problems_of(changed_spec(one_host(machine), fields), root_session) == ()
    assert {problem.code for problem in found} == {code}, found
    assert any(words in problem.message for problem in found), found
    assert problems_of(one_host(machine), root_session) == ()


@pytest.mark.parametrize(("kind", "codes"), [("tmpfs", {"cgroup-v1"}), ("cgroup2fs", set())])
def test_cgroup_v1_is_reported_with_a_stand_in_for_stat(
    kind: str, codes: set[str], machine: LabMachine, lab_machine: Machine, root_session: Session
) -> None:
    """Unless the file permits it, as the hint says. A setting of the kubelet that needs cgroup v2 is to be removed."""
    spec = one_host(machine, kubeadm={})
    with faults.stand_in(lab_machine, "stat", f'case $* in *cgroup) echo {kind} ;; *) exec /usr/bin/stat "$@" ;; esac'):
        found = problems_of(spec, root_session)
        permitting = [changed_spec(spec, fields_of(problem)) for problem in found]
        assert [problems_of(other, root_session) for other in permitting] == [() for _ in codes]
        for other in permitting:
            kubelet = {**other.kubeadm.model_dump(mode="json")["kubelet"], "singleProcessOOMKill": False}
            (problem,) = problems_of(changed_spec(other, {"kubeadm": {"kubelet": kubelet}}), root_session)
            assert (problem.code, "remove kubeadm.kubelet.singleProcessOOMKill" in problem.hint) == ("cgroup-v1-oom-setting", True)
    assert {problem.code for problem in found} == codes


@pytest.mark.parametrize(("lifetime", "codes"), [("0", {"address-at-risk"}), ("1800", {"address-at-risk", "default-route-at-risk"})])
def test_an_address_of_a_router_advertisement_is_reported(
    lifetime: str, codes: set[str], machine: LabMachine, lab_machine: Machine, root_session: Session
) -> None:
    """Also without a default route from the router. With `prepare: {accept_ra: true}`, the prepare step sets accept_ra to 2."""
    link = "ra0"
    with faults.link_to_a_router(lab_machine), faults.advertised(lab_machine, lifetime, "fd88::"):
        root_session.run(f"until ip -6 -o address show dev {link} | grep -q fd88; do sleep 0.1; done", limit=LIMIT)
        root_session.run(f"until ! ip -6 address show dev {link} tentative | grep -q inet6; do sleep 0.1; done", limit=LIMIT)
        spec = one_host(machine, hosts=[{**one_host(machine).hosts[0].model_dump(mode="json"), "addresses": list(machine.addresses)}])
        forbidden = spec.model_copy(update={"prepare": spec.prepare.model_copy(update={"accept_ra": False})})
        found = problems_of(forbidden, root_session)
        permitted = problems_of(spec, root_session)
        follow(root_session, found)
        assert problems_of(forbidden, root_session) == ()
        with ExitStack() as stack:
            stack.enter_context(faults.stand_in(lab_machine, "ifup", "true"))
            interfaces = "/etc/network/interfaces"
            ours = f"mkdir /etc/network; printf 'iface {link} inet6 auto\\n' >{interfaces}"
            stack.enter_context(faults.changed(lab_machine, ours, "rm -r /etc/network"))
            (lost,) = problems_of(spec, root_session)
            assert (lost.code, f"write `accept_ra 2` below `iface {link} inet6`" in lost.hint) == ("advertisements-lost-at-boot", True)
            follow(root_session, [lost], f"echo 'accept_ra 2' >>{interfaces}")
            assert problems_of(spec, root_session) == ()
    assert {problem.code for problem in found} == codes, found
    assert all(link in problem.message for problem in found)
    assert permitted == ()


def rebooted(machine: LabMachine) -> Session:
    """Reboot the host, and log in again."""
    hosts.power_off(machine.name, LAB)
    hosts.up(LAB)
    return machine.open()


FORWARDING = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"


def test_a_setting_that_is_lost_at_boot_is_reported_before_and_after_the_boot(machine: LabMachine, lab_machine: Machine) -> None:
    """amazon-eks-ami#746: /etc/sysctl.conf, which Debian reads last. The boot shows that the rule is right, and that its remedy helps."""
    ours = "printf 'net.ipv4.ip_forward = 1\\nnet.ipv6.conf.all.forwarding = 1\\n' >/etc/sysctl.d/90-sixstack.conf; "
    theirs = "ln -sf ../sysctl.conf /etc/sysctl.d/99-sysctl.conf; printf 'net.ipv4.ip_forward = 0\\n' >/etc/sysctl.conf"
    undo = "rm -f /etc/sysctl.d/90-sixstack.conf /etc/sysctl.d/99-sysctl.conf /etc/sysctl.conf"
    with ExitStack() as stack:
        stack.enter_context(faults.changed(lab_machine, ours + theirs, undo))
        before = problems_of(one_host(machine), stack.enter_context(closing(machine.open())))
        session = stack.enter_context(closing(rebooted(machine)))
        assert session.run(FORWARDING, limit=LIMIT).stdout.split() == ["0", "1"]
        after = problems_of(one_host(machine), session)
        for found in (before, after):
            assert [problem.code for problem in found] == ["setting-lost-at-boot"]
            assert "/etc/sysctl.d/99-sysctl.conf -> ../sysctl.conf sets net.ipv4.ip_forward to 0" in found[0].message
        # what the hint says
        session.run("sed -i /ip_forward/d /etc/sysctl.conf", limit=LIMIT)
        assert problems_of(one_host(machine), session) == ()
        session = stack.enter_context(closing(rebooted(machine)))
        assert session.run(FORWARDING, limit=LIMIT).stdout.split() == ["1", "1"]
        assert problems_of(one_host(machine), session) == ()


def test_network_manager_and_systemd_resolved_are_reported_before_and_after_a_boot(machine: LabMachine, lab_machine: Machine) -> None:
    """Debian's packages. NetworkManager manages links of pods until the file of the hint says otherwise; pods get the name servers of
    systemd-resolved, which has none here."""
    unmanaged = "/etc/NetworkManager/conf.d/90-pods.conf"
    with ExitStack() as stack:
        faults.install(lab_machine, "network-manager", "systemd-resolved")
        stack.callback(faults.remove, lab_machine, "network-manager", "systemd-resolved")
        before = problems_of(one_host(machine), stack.enter_context(closing(machine.open())))
        session = stack.enter_context(closing(rebooted(machine)))
        after = problems_of(one_host(machine), session)
        for found in (before, after):
            assert {problem.code for problem in found} - {"no-name-server"} == {"links-of-pods-managed"}, found
        assert gather(session, machine.host()).resolver_file == "/run/systemd/resolve/resolv.conf"
        # the remedies of the hints
        names = "interface-name:flannel*;interface-name:cni0;interface-name:veth*"
        assert any(f"unmanaged-devices+={names}" in problem.hint for problem in after)
        write = f"printf '[keyfile]\\nunmanaged-devices+={names}\\n' >{unmanaged}; systemctl reload NetworkManager"
        assert session.run(write, limit=LIMIT).exit_code == 0
        network = {**one_host(machine).network.model_dump(mode="json"), "dns_upstreams": ["192.0.2.53"]}
        assert problems_of(one_host(machine, network=network), session) == ()
        shown = "ip link add cni0 type bridge; sleep 1; nmcli -t -f DEVICE,STATE device; ip link delete cni0"
        assert "cni0:unmanaged" in session.run(shown, limit=LIMIT).stdout


FIREWALLS = {"ufw": "ufw allow 22/tcp && ufw --force enable", "firewalld": "systemctl is-active firewalld"}
# what the removed packages leave in the kernel
NO_TABLES = "systemctl stop ufw firewalld 2>/dev/null; nft flush ruleset"


@pytest.mark.parametrize("package", FIREWALLS)
def test_a_firewall_of_debian_is_reported_until_its_commands_are_run_and_stays_open_after_a_boot(
    package: str, machine: LabMachine, lab_machine: Machine
) -> None:
    """The commands are those of the program that the owner uses, so that they outlive a reload and a boot."""
    with ExitStack() as stack:
        faults.install(lab_machine, package)
        stack.callback(faults.remove, lab_machine, package)
        stack.callback(hosts.run_in, machine.name, ["sh", "-c", NO_TABLES], LAB)
        session = stack.enter_context(closing(machine.open()))
        assert session.run(FIREWALLS[package], limit=LIMIT).ok
        before = problems_of(one_host(machine), session)
        session = stack.enter_context(closing(rebooted(machine)))
        after = problems_of(one_host(machine), session)
        for found in (before, after):
            assert {problem.code for problem in found} == {"firewall-closed"}, found
            assert all(problem.message.startswith(f"{package} (") for problem in found), found
            assert {"forwarded" in problem.message for problem in found} == {True, False}
        follow(session, after)
        assert problems_of(one_host(machine), session) == ()
        session = stack.enter_context(closing(rebooted(machine)))
        assert problems_of(one_host(machine), session) == ()


def test_dnsmasq_is_reported_before_and_after_a_boot_until_its_hint_is_followed(machine: LabMachine, lab_machine: Machine) -> None:
    """Debian's package, which answers on the host's loopback: in a pod that is the pod itself. Each of the two remedies ends the problem."""
    settings = r"printf 'no-resolv\nserver=192.0.2.53\nlisten-address=127.0.0.1\n' >/etc/dnsmasq.d/own.conf; systemctl restart dnsmasq"
    own = "cp -n /etc/resolv.conf /root/resolv.conf; printf 'nameserver 127.0.0.1\\n' >/etc/resolv.conf"
    with ExitStack() as stack:
        faults.install(lab_machine, "dnsmasq")
        stack.callback(faults.remove, lab_machine, "dnsmasq")
        stack.enter_context(faults.changed(lab_machine, f"{settings}; {own}", UNDO_RESOLVER))
        before = problems_of(one_host(machine), stack.enter_context(closing(machine.open())))
        session = stack.enter_context(closing(rebooted_from_within(machine, lab_machine)))
        assert session.run("systemctl is-active dnsmasq", limit=LIMIT).stdout == "active\n"
        after = problems_of(one_host(machine), session)
        for found in (before, after):
            assert [problem.code for problem in found] == ["name-server-on-loopback"], found
        assert problems_of(changed_spec(one_host(machine), fields_of(after[0])), session) == ()
        assert session.run(GOOD_RESOLVER, limit=LIMIT).ok
        assert problems_of(one_host(machine), session) == ()
        session = stack.enter_context(closing(rebooted_from_within(machine, lab_machine)))
        assert problems_of(one_host(machine), session) == ()


def rebooted_from_within(machine: LabMachine, lab_machine: Machine) -> Session:
    """`systemctl reboot` in the host, which keeps all its files (the lab writes some anew when it boots a host), and a new login."""
    before = init_pid(lab_machine)
    hosts.run_in(machine.name, ["systemctl", "reboot"], LAB)
    deadline = time.monotonic() + 60
    while init_pid(lab_machine) in {None, before}:
        assert time.monotonic() < deadline, "the host did not boot again"
        time.sleep(0.1)
    hosts.up(LAB)
    return machine.open()
