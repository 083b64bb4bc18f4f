"""Hosts that cannot reach each other on the ports and in the families of the cluster, as tests from host to host have shown."""

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
_NO_ROUTE = ("Network is unreachable", "No route to host")  # ENETUNREACH, EHOSTUNREACH

# one end, the other ends, the families, and the closed paths: all with the same ports and the same result
_Group = tuple[str, tuple[str, ...], tuple[Family, ...], tuple[ClosedPath, ...]]


def paths_to_probe(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[HostPath, ...]:
    """The paths that the cluster needs and does not use yet: from and to hosts that are not nodes yet, and VXLAN between hosts without a VXLAN device.

    Empty when all hosts are nodes. Excludes hosts of other clusters, and hosts on which a step of an earlier run is still running.
    """
    cluster = Inspected(spec, facts, bundle_architecture="", bundle_size=0)  # paths do not depend on the bundle
    hosts = [
        (host, host_facts)
        for host, host_facts in cluster.hosts
        if another_cluster(cluster, host, host_facts) is None and not any(step.running for step in host_facts.steps)
    ]
    return tuple(
        path
        for (source, source_facts), (target, target_facts) in permutations(hosts, 2)
        for path in _paths(cluster, source, target, running=_is_member(cluster, target_facts))
        if not all(
            _is_member(cluster, host_facts) and (path.protocol == "tcp" or _has_vxlan(host_facts))
            for host_facts in (source_facts, target_facts)
        )
        and not _is_dropped_by_plugin(cluster, path, target_facts)
    )


def _is_member(cluster: Inspected, host_facts: HostFacts) -> bool:
    return cluster.owns(host_facts) and host_facts.kubernetes.kubelet_config and host_facts.kubernetes.kubelet_active


def _has_vxlan(host_facts: HostFacts) -> bool:
    return any(link.kind == "vxlan" for link in host_facts.links)


def _is_dropped_by_plugin(cluster: Inspected, path: HostPath, host_facts: HostFacts) -> bool:
    """The plug-in on a node drops VXLAN from every host that is not a node yet (Calico, measured). The opposite direction is tested."""
    drops = pod_network(cluster.spec).drops_vxlan_from_non_nodes
    return drops and path.protocol == "udp" and _is_member(cluster, host_facts) and _has_vxlan(host_facts)


def _paths(cluster: Inspected, source: Host, target: Host, *, running: bool) -> Iterator[HostPath]:
    source_addresses = {family_of(address): address for address in cluster.addresses(source)}
    target_addresses = {family_of(address): address for address in cluster.addresses(target)}
    vxlan_families = pod_network(cluster.spec).vxlan_families(cluster.spec)
    for family in cluster.spec.families:
        if family not in source_addresses or family not in target_addresses:
            continue  # rules of on_facts/addresses.py report this
        for listener in listeners(cluster, target):
            if source.role in listener.peers and (listener.protocol == "tcp" or family in vxlan_families):
                yield HostPath(
                    source.name,
                    target.name,
                    listener.protocol,
                    listener.port,
                    listener.part,
                    source_addresses[family],
                    target_addresses[family],
                    running,
                )


@cluster_rule("hosts-cannot-reach-each-other")
def hosts_reach_each_other(cluster: Inspected) -> Iterator[Violation]:
    """A host cannot reach another host on a port of the cluster in a family in use, as a test between the hosts has shown (k0sctl#890)."""
    closed = [closed_path for closed_path in cluster.connectivity.closed if not _is_reported_by_firewall_rule(cluster, closed_path)]
    while closed:
        # report the end with most of the remaining paths first: one closed host of twenty is one problem
        groups = [*_grouped(closed, lambda path: path.target), *_grouped(closed, lambda path: path.source)]
        name, others, families, paths = max(groups, key=lambda group: len(group[-1]))
        over = " and ".join(_WORD[family] for family in families)
        ports = ", ".join(
            dict.fromkeys(
                f"{closed_path.path.port}/{closed_path.path.protocol} ({closed_path.path.part}: {_in_words(closed_path)})"
                for closed_path in paths
            )
        )
        listed = ", ".join(others)
        if name == paths[0].path.target:
            message = f"{listed} cannot reach the host over {over}: {ports}"
        else:
            message = f"the host cannot reach {listed} over {over}: {ports}"
        yield Violation(f"hosts/{name}/connectivity", message, _hint(paths))
        reported = set(paths)
        closed = [closed_path for closed_path in closed if closed_path not in reported]


@cluster_rule("hosts-not-tried", Severity.WARNING)
def every_host_could_try(cluster: Inspected) -> Iterator[Violation]:
    """The paths between a host and the other hosts could not be tested."""
    for name, reason in cluster.connectivity.untried:
        if reason == "lacking perl":
            message = "the host has no perl with the modules Errno, Fcntl and Socket, which the test needs"
            hint = operating_system(cluster.facts.get(name)).install_hint(["perl"])
        elif reason == "busy":
            message, hint = "another run holds the host", "run again after the other run has ended"
        else:
            message, hint = f"the host answered {reason!r}", "check that perl works on the host"
        yield Violation(f"hosts/{name}/connectivity", f"the paths from and to the host were not tested: {message}", hint)


def _is_reported_by_firewall_rule(cluster: Inspected, closed: ClosedPath) -> bool:
    """Whether rule firewall-closed reports the chain that drops this path."""
    path = closed.path
    return any(
        rule.hook == "input" and rule.family in {None, path.family} and rule.closes(path.protocol, path.port)
        for rule in cluster.facts[path.target].firewall
    )


def _grouped(closed: Iterable[ClosedPath], one_end: Callable[[HostPath], str]) -> list[_Group]:
    """Group closed paths into few problems: by equal ports at all other ends, then by family."""
    by_ends: dict[tuple[str, str, Family], list[ClosedPath]] = defaultdict(list)
    for closed_path in closed:
        end = one_end(closed_path.path)
        other = closed_path.path.source if end == closed_path.path.target else closed_path.path.target
        by_ends[end, other, closed_path.path.family].append(closed_path)
    by_ports: dict[tuple[str, Family, frozenset[tuple[str, int, str]]], list[str]] = defaultdict(list)
    for (end, other, family), paths in by_ends.items():
        by_ports[
            end, family, frozenset((closed_path.path.protocol, closed_path.path.port, closed_path.found) for closed_path in paths)
        ].append(other)
    by_others: dict[tuple[str, tuple[str, ...], frozenset[tuple[str, int, str]]], list[Family]] = defaultdict(list)
    for (end, family, ports), others in by_ports.items():
        by_others[end, tuple(others), ports].append(family)
    return [
        (
            end,
            others,
            tuple(families),
            tuple(closed_path for other in others for family in families for closed_path in by_ends[end, other, family]),
        )
        for (end, others, _ports), families in by_others.items()
    ]


def _in_words(closed: ClosedPath) -> str:
    if closed.found == "silent":
        return "no answer" if closed.path.protocol == "tcp" else "no packet arrives"
    return closed.found[:1].lower() + closed.found[1:]


def _hint(closed: tuple[ClosedPath, ...]) -> str:
    paths = [closed_path.path for closed_path in closed]
    first = paths[0]
    if all(closed_path.found in _NO_ROUTE for closed_path in closed):
        return f"check the route on {first.source}: `ip route get {first.address}`"
    targets = ", ".join(dict.fromkeys(path.target for path in paths))
    sources = ", ".join(dict.fromkeys(path.source for path in paths))
    return (
        f"check `nft list ruleset` on {targets} (incoming) and on {sources} (outgoing), and the network between them (security group, "
        f"router, switch). To accept the packets on {targets}: {'; '.join(_commands(paths))}, where CHAIN is the table and chain that drops the packets"
    )


def _commands(paths: list[HostPath]) -> Iterator[str]:
    for family in dict.fromkeys(path.family for path in paths):
        for protocol in ("tcp", "udp"):
            matching = [path for path in paths if path.family is family and path.protocol == protocol]
            if matching:
                sources = ", ".join(dict.fromkeys(str(path.source_address) for path in matching))
                ports = ", ".join(dict.fromkeys(str(path.port) for path in matching))
                yield f"`nft insert rule CHAIN {_HEADER[family]} saddr {{ {sources} }} {protocol} dport {{ {ports} }} accept`"
