"""Proposes a commented cluster file from the facts of its machines: names, addresses, and ranges that no machine uses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network
from itertools import islice

from cluster.facts.host_facts import HostFacts
from cluster.facts.node_addresses import node_addresses
from cluster.file.reader import read_text
from cluster.rules.free_ranges import private_ranges, range_prefix
from cluster.rules.inspected import Inspected
from cluster.rules.names import is_node_name
from cluster.rules.on_facts import check_facts
from cluster.rules.on_facts.host_networks import networks_of_hosts
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.families import Address, Family, Network, StackMode, families_of, family_name, family_of
from cluster.vocabulary.host_keys import fingerprint
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.releases import DEFAULT_RELEASE
from cluster.vocabulary.spec import SSH, ClusterSpec, Host, NetworkSpec, Role

# networks that programs give to a machine by default, and that it may therefore have tomorrow:
# docker (its address pools: docs.docker.com/engine/daemon/#configure-address-pools), podman, libvirt, LXC
_DEFAULTS = tuple(map(ip_network, ("172.17.0.0/16", "172.18.0.0/15", "172.20.0.0/14", "172.24.0.0/14", "172.28.0.0/14", "192.168.0.0/16", "10.88.0.0/16", "10.0.3.0/24")))  # fmt: skip
_NO_RANGES = NetworkSpec.model_construct(pods=(), services=())
_MOST_TRIED = 64
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9._/-]*|[0-9]+(\.[0-9]+){3}(/[0-9]+)?", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # that are no strings in YAML


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as a person named it, its accepted host key, and what it answered."""

    ssh: SSH
    facts: HostFacts
    known: bool = False  # the key was in known_hosts


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person decides. `name`: of the cluster."""

    name: str
    stack: StackMode
    primary: Family = Family.IPV4
    pod_network: CniKind = CniKind.FLANNEL

    @property
    def families(self) -> tuple[Family, ...]:
        """Families in use, primary first."""
        return families_of(self.stack, self.primary)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The text of the file; what `sixstack check` finds in it, and what the rules find on the machines."""

    text: str
    in_file: tuple[Problem, ...]
    on_hosts: tuple[Problem, ...]
    line: Callable[[str], int | None]  # of a field of the text


@dataclass(frozen=True, slots=True)
class _Range:
    cidr: Network
    why: str


def families_of_machines(machines: Sequence[Machine]) -> tuple[Family, ...]:
    """The families of which every machine has an address that its node can have."""
    return tuple(
        family
        for family in Family
        if all(any(family_of(address) is family for address in _addresses(machine, (family,))) for machine in machines)
    )


def propose(machines: Sequence[Machine], choices: Choices, global_ids: Iterable[bytes]) -> Proposal:
    """The first machine is the control plane. `global_ids`: random 40-bit numbers for a unique local prefix (RFC 4193, 3.2)."""
    names = _names(choices.name, machines)
    facts = {name: machine.facts for name, machine in zip(names, machines, strict=True)}
    used = networks_of_hosts(Inspected(_draft(choices, names, machines), facts, "", 0))
    nodes = [ip_network(entry.address) for machine in machines for entry in machine.facts.addresses]
    taken = [*used, *nodes]
    pods, services = zip(*(_ranges(family, len(machines), taken, global_ids) for family in choices.families), strict=True)
    text = "".join(f"{line}\n" for line in _lines(choices, names, machines, pods, services))
    reading = read_text(text)
    if reading.spec is None:
        return Proposal(text, reading.problems, (), reading.line)
    found = check_facts(reading.spec, facts, bundle_architecture=machines[0].facts.architecture, bundle_size=0)
    return Proposal(text, reading.problems, found, reading.line)


def _draft(choices: Choices, names: Sequence[str], machines: Sequence[Machine]) -> ClusterSpec:
    """The cluster without ranges, which are to be found."""
    hosts = tuple(Host.model_construct(name=name, role=Role.WORKER, ssh=machine.ssh) for name, machine in zip(names, machines, strict=True))
    return ClusterSpec.model_construct(
        name=choices.name, stack=choices.stack, primary_family=choices.primary, hosts=hosts, network=_NO_RANGES
    )


def _addresses(machine: Machine, families: tuple[Family, ...]) -> tuple[Address, ...]:
    """The node addresses that create finds when the file has none."""
    stack = StackMode.DUAL_STACK if len(families) == 2 else StackMode(families[0].value)
    host = Host.model_construct(name=machine.facts.host, role=Role.WORKER, ssh=machine.ssh)
    draft = ClusterSpec.model_construct(name="", stack=stack, primary_family=families[0], hosts=(host,), network=_NO_RANGES)
    return node_addresses(draft, host, machine.facts)


def _names(cluster: str, machines: Sequence[Machine]) -> tuple[str, ...]:
    """The host names of the machines; for one that cannot be a node's name, or that another machine has, CLUSTER-NUMBER."""
    found = [machine.facts.hostname.lower() for machine in machines]
    usable = [is_node_name(name) and found.count(name) == 1 and not name.startswith("localhost") for name in found]
    used = {name for name, good in zip(found, usable, strict=True) if good}
    numbered = (name for number in range(1, 2 * len(found) + 2) if (name := f"{cluster}-{number}") not in used)
    return tuple(name if good else next(numbered) for name, good in zip(found, usable, strict=True))


def _ranges(family: Family, hosts: int, taken: Sequence[Network], global_ids: Iterable[bytes]) -> tuple[_Range, _Range]:
    own = [network for network in taken if family_of(network) is family]
    return _ipv6_ranges(hosts, own, global_ids) if family is Family.IPV6 else _ipv4_ranges(hosts, own)


def _ipv6_ranges(hosts: int, taken: Sequence[Network], global_ids: Iterable[bytes]) -> tuple[_Range, _Range]:
    """Subnets of one random prefix; the first prefix if a host reaches all of them."""
    prefixes = [IPv6Network((b"\xfd" + number[:5] + bytes(10), 48)) for number in islice(global_ids, _MOST_TRIED)]
    prefix = next((one for one in prefixes if not any(one.overlaps(network) for network in taken)), prefixes[0])
    first = int(prefix.network_address)
    why = f"unique local addresses (RFC 4193) below the random prefix {prefix}"
    pods = IPv6Network((first, range_prefix(hosts, "pod", 6)))
    services = IPv6Network((first | 0xFF00 << 64, range_prefix(hosts, "service", 6)))
    return _Range(pods, why), _Range(services, why)


def _ipv4_ranges(hosts: int, taken: Sequence[Network]) -> tuple[_Range, _Range]:
    pods = _free(private_ranges(hosts, "pod", 4), taken)
    return pods, _free(private_ranges(hosts, "service", 4), [*taken, pods.cidr])


def _free(candidates: Iterator[Network], taken: Sequence[Network]) -> _Range:
    """The first range outside of all networks; else outside of those that are not larger: a host may reach all of 10.0.0.0/8."""
    every = list(candidates)
    for networks, why in (
        ([*taken, *_DEFAULTS], "private (RFC 1918), and used by none of these hosts"),
        (taken, "private (RFC 1918), and used by none of these hosts"),
    ):
        if found := next((cidr for cidr in every if not any(cidr.overlaps(other) for other in networks)), None):
            return _Range(found, why)
    smaller = next((cidr for cidr in every if not any(cidr.overlaps(other) and other.prefixlen >= cidr.prefixlen for other in taken)), None)
    if smaller is not None:
        return _Range(
            smaller, "private (RFC 1918), inside a network that a host reaches: make sure that no machine there has an address in it"
        )
    return _Range(every[0], "the hosts use every private range: choose one that they need not reach")


def _lines(
    choices: Choices, names: Sequence[str], machines: Sequence[Machine], pods: Sequence[_Range], services: Sequence[_Range]
) -> Iterator[str]:
    yield f"# Written by `sixstack init` from what {_count(len(machines), 'machine')} answered. docs/reference/cluster-file.md has every field."
    yield f"name: {_scalar(choices.name)}"
    yield f"kubernetes_version: {DEFAULT_RELEASE.kubernetes}   # the bundle has the same version"
    yield f"stack: {choices.stack}   # ipv4, dual-stack or ipv6; cannot be changed later"
    if choices.stack is StackMode.DUAL_STACK:
        yield f"primary_family: {choices.primary}   # of the API server, and of a service that names no family"
    yield "hosts:"
    for index, (name, machine) in enumerate(zip(names, machines, strict=True)):
        yield from _host_lines(name, machine, Role.WORKER if index else Role.CONTROL_PLANE, choices.families)
    yield "network:   # cannot be changed later"
    yield "  pods:"
    for found in pods:
        mask = 24 if found.cidr.version == 4 else 64
        yield f"    - cidr: {_scalar(str(found.cidr))}   # {found.why}"
        yield f"      node_mask: {mask}   # each node gets a range of this length: room for {_count(2 ** (mask - found.cidr.prefixlen), 'node')}"
    yield "  services:"
    for found in services:
        yield f"    - {_scalar(str(found.cidr))}   # {found.why}"
    yield "cni:"
    yield f"  kind: {choices.pod_network}   # flannel, calico, manifests (your own files) or none"
    yield "# The blocks `default` are used where no field says otherwise: bundle (Artifact bundle), audit (Audit store), backups (Backup store)."


def _host_lines(name: str, machine: Machine, role: Role, families: tuple[Family, ...]) -> Iterator[str]:
    ssh, facts = machine.ssh, machine.facts
    yield f"  - name: {_scalar(name)}   # " + (
        "the machine's host name" if name == facts.hostname.lower() else f"the machine's host name is {json.dumps(facts.hostname)}"
    )
    yield f"    role: {role}"
    yield f"    ssh:   # {printable(facts.os)}, {_count(facts.cpus, 'CPU')}, {facts.memory // 2**20} MiB"
    yield f"      address: {_scalar(ssh.address)}"
    if ssh.port != 22:
        yield f"      port: {ssh.port}"
    yield f"      user: {_scalar(ssh.user)}"
    yield f"      credential: {_scalar(ssh.credential)}   # name of an SSH credential block"
    yield f"      host_key: {ssh.host_key}   # {fingerprint(ssh.host_key or '')}{', as in known_hosts' if machine.known else ''}"
    addresses = _addresses(machine, families)
    if len(addresses) == len(families):
        links = dict.fromkeys(link.name for address in addresses if (link := facts.link_of(address)) is not None)
        yield f"    addresses: [{', '.join(_scalar(str(address)) for address in addresses)}]   # of the node, on {printable(', '.join(links))}"
    else:
        missing = " and ".join(family_name(family) for family in families if family not in map(family_of, addresses))
        yield f"    # addresses: write the node's addresses, primary family first; there is no or more than one candidate for {missing}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _scalar(text: str) -> str:
    """The text as YAML, in quotes where a reader would take it for something else."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)
