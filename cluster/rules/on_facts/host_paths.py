"""Hosts that do not reach each other, as they have tried themselves, on the ports and in the families that the cluster will use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import permutations

from cluster.facts.host_facts import HostFacts
from cluster.facts.host_paths import ClosedPath, HostPath
from cluster.operating_systems.detection import operating_system
from cluster.pod_networks.plugins import pod_network
from cluster.rules.inspected import Inspected
from cluster.rules.on_facts.conflicts import another_cluster
from cluster.rules.on_facts.ports import listeners
from cluster.rules.registry import cluster_rule
from cluster.vocabulary.families import Family, family_of
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, Host

_WORD = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
_HEADER = {Family.IPV4: "ip", Family.IPV6: "ip6"}
_NO_WAY = ("Network is unreachable", "No route to host")  # ENETUNREACH, EHOSTUNREACH

# one end, the other ends, the families: all with the same ports, closed in the same way
_Group = tuple[str, tuple[str, ...], tuple[Family, ...], tuple[ClosedPath, ...]]


def paths_to_try(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[HostPath, ...]:
    """Every path that a cluster of these hosts needs and does not have yet: those from and to hosts that are not part of it so far, and those of
    VXLAN between hosts that have no device of it.

    None where all hosts are in already. Left out: hosts that carry another cluster, and those on which a step of an earlier run still works.
    """
    cluster = Inspected(spec, facts, bundle_architecture="", bundle_size=0)  # of which no path depends
    hosts = [
        (host, found)
        for host, found in cluster.hosts
        if another_cluster(cluster, host, found) is None and not any(step.running for step in found.steps)
    ]
    return tuple(
        path
        for (source, from_), (target, to) in permutations(hosts, 2)
        for path in _paths(cluster, source, target, running=_is_in(cluster, to))
        if not all(_is_in(cluster, found) and (path.protocol == "tcp" or _has_vxlan(found)) for found in (from_, to))
        and not _is_guarded(cluster, path, to)
    )


def _is_in(cluster: Inspected, found: HostFacts) -> bool:
    return cluster.ours(found) and found.kubernetes.kubelet_config and found.kubernetes.kubelet_active


def _has_vxlan(found: HostFacts) -> bool:
    return any(link.kind == "vxlan" for link in found.links)


def _is_guarded(cluster: Inspected, path: HostPath, found: HostFacts) -> bool:
    """The plug-in on a member drops VXLAN from every host that is not a node yet (Calico, measured); the way back is tried."""
    drops = pod_network(cluster.spec).drops_vxlan_of_strangers
    return drops and path.protocol == "udp" and _is_in(cluster, found) and _has_vxlan(found)


def _paths(cluster: Inspected, source: Host, target: Host, *, running: bool) -> Iterator[HostPath]:
    mine = {family_of(address): address for address in cluster.addresses(source)}
    theirs = {family_of(address): address for address in cluster.addresses(target)}
    in_vxlan = pod_network(cluster.spec).vxlan_families(cluster.spec)
    for family in cluster.spec.families:
        if family not in mine or family not in theirs:
            continue  # the rules of addresses say why
        for one in listeners(cluster, target):
            if source.role in one.peers and (one.protocol == "tcp" or family in in_vxlan):
                yield HostPath(source.name, target.name, one.protocol, one.port, one.part, mine[family], theirs[family], running)


@cluster_rule("hosts-cannot-reach-each-other")
def hosts_reach_each_other(cluster: Inspected) -> Iterator[Violation]:
    """A host does not reach another one on the ports of the cluster's parts, in a family in use, as the hosts themselves have tried (k0sctl#890)."""
    closed = [one for one in cluster.connectivity.closed if not _is_told_by_the_firewall(cluster, one)]
    while closed:
        # the end that most of what is left has in common is what is said first: one closed host of twenty is one problem
        groups = [*_grouped(closed, lambda path: path.target), *_grouped(closed, lambda path: path.source)]
        name, others, families, alike = max(groups, key=lambda group: len(group[-1]))
        over = " and ".join(_WORD[family] for family in families)
        ports = ", ".join(dict.fromkeys(f"{one.path.port}/{one.path.protocol} ({one.path.part}: {_in_words(one)})" for one in alike))
        listed = ", ".join(others)
        if name == alike[0].path.target:
            says = f"{listed} {'do' if len(others) > 1 else 'does'} not reach it over {over}: {ports}"
        else:
            says = f"it does not reach {listed} over {over}: {ports}"
        yield Violation(f"hosts/{name}/connectivity", says, _hint(alike))
        told = set(alike)
        closed = [one for one in closed if one not in told]


@cluster_rule("hosts-not-tried", Severity.WARNING)
def every_host_could_try(cluster: Inspected) -> Iterator[Violation]:
    """Whether other hosts reach a host could not be tried."""
    for name, why in cluster.connectivity.untried:
        if why == "lacking perl":
            says, hint = "it has no perl, which tries them", operating_system(cluster.facts.get(name)).install_hint(["perl"])
        elif why == "busy":
            says, hint = "another run works on it", "run again when that one has ended"
        else:
            says, hint = f"it says {why!r}", "see that perl works there"
        yield Violation(f"hosts/{name}/connectivity", f"whether other hosts reach it was not tried: {says}", hint)


def _is_told_by_the_firewall(cluster: Inspected, closed: ClosedPath) -> bool:
    """Rule firewall-closed has found the very chain."""
    path = closed.path
    return any(
        rule.hook == "input" and rule.family in {None, path.family} and rule.closes(path.protocol, path.port)
        for rule in cluster.facts[path.target].firewall
    )


def _grouped(closed: Iterable[ClosedPath], one_end: Callable[[HostPath], str]) -> list[_Group]:
    """Closed paths as few problems: what is alike in all other ends, then in both families, is told once."""
    by_ends: dict[tuple[str, str, Family], list[ClosedPath]] = defaultdict(list)
    for one in closed:
        end = one_end(one.path)
        other = one.path.source if end == one.path.target else one.path.target
        by_ends[end, other, one.path.family].append(one)
    by_ports: dict[tuple[str, Family, frozenset[tuple[str, int, str]]], list[str]] = defaultdict(list)
    for (end, other, family), some in by_ends.items():
        by_ports[end, family, frozenset((one.path.protocol, one.path.port, one.found) for one in some)].append(other)
    by_others: dict[tuple[str, tuple[str, ...], frozenset[tuple[str, int, str]]], list[Family]] = defaultdict(list)
    for (end, family, ports), others in by_ports.items():
        by_others[end, tuple(others), ports].append(family)
    return [
        (end, others, tuple(families), tuple(one for other in others for family in families for one in by_ends[end, other, family]))
        for (end, others, _ports), families in by_others.items()
    ]


def _in_words(closed: ClosedPath) -> str:
    if closed.found == "silent":
        return "no answer" if closed.path.protocol == "tcp" else "nothing arrives"
    return closed.found[:1].lower() + closed.found[1:]


def _hint(alike: tuple[ClosedPath, ...]) -> str:
    paths = [one.path for one in alike]
    first = paths[0]
    if all(one.found in _NO_WAY for one in alike):
        return f"see the way there on {first.source}: `ip route get {first.address}`"
    targets = ", ".join(dict.fromkeys(path.target for path in paths))
    sources = ", ".join(dict.fromkeys(path.source for path in paths))
    return (
        f"look at `nft list ruleset` on {targets} (what comes in) and on {sources} (what goes out), and at what lies between them (security group, "
        f"router, switch); let it pass, on {targets}: {'; '.join(_commands(paths))}, CHAIN being the table and chain that drops it"
    )


def _commands(paths: list[HostPath]) -> Iterator[str]:
    for family in dict.fromkeys(path.family for path in paths):
        for protocol in ("tcp", "udp"):
            of_kind = [path for path in paths if path.family is family and path.protocol == protocol]
            if of_kind:
                sources = ", ".join(dict.fromkeys(str(path.source_address) for path in of_kind))
                ports = ", ".join(dict.fromkeys(str(path.port) for path in of_kind))
                yield f"`nft insert rule CHAIN {_HEADER[family]} saddr {{ {sources} }} {protocol} dport {{ {ports} }} accept`"
