"""Makes the resolved spec from a spec and facts: addresses and MTU that the cluster file leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from ipaddress import ip_address

from cluster.facts.cluster_state import NodeState
from cluster.facts.host_facts import HostFacts
from cluster.facts.node_addresses import node_addresses, registered_addresses
from cluster.pod_networks.plugins import pod_network
from cluster.rules.offline import check_spec
from cluster.vocabulary.families import Family, family_of
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host

# placeholder for an address that only its host knows, when two files are compared offline; never printed, never sent
UNKNOWN = {Family.IPV4: ip_address("0.0.0.0"), Family.IPV6: ip_address("::")}


def resolve(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> ResolvedSpec:
    """The spec with the addresses of every host and the pods' MTU. The rules on facts have found no error: every host has facts."""
    found = {host.name: node_addresses(spec, host, facts[host.name]) for host in spec.hosts if host.name in facts}
    resolved = ResolvedSpec.of(spec, found)
    mtu = pod_network(spec).pod_mtu(resolved, facts)
    return ResolvedSpec.of(resolved, cni=spec.cni.model_copy(update={"mtu": mtu}))


def resolve_partly(spec: ClusterSpec, facts: Mapping[str, HostFacts], nodes: Iterable[NodeState] = ()) -> ResolvedSpec:
    """The spec for an inspection in which hosts may lack facts: their addresses are those of the file, else of their nodes, else UNKNOWN."""
    found = {node.name: {family_of(address): address for address in node.addresses} for node in nodes}
    addresses = {host.name: node_addresses(spec, host, facts[host.name]) if host.name in facts else host.addresses for host in spec.hosts}
    for name, known in addresses.items():
        if len(known) != len(spec.families):
            of_node = found.get(name, {})
            addresses[name] = tuple(of_node.get(family, UNKNOWN[family]) for family in spec.families)
    resolved = ResolvedSpec.of(spec, addresses)
    mtu = pod_network(spec).pod_mtu(resolved, facts)
    return ResolvedSpec.of(resolved, cni=spec.cni.model_copy(update={"mtu": mtu}))


def resolve_offline(spec: ClusterSpec, others: Sequence[Host] = ()) -> ResolvedSpec:
    """The spec without asking any host: a missing address is taken from the host of the same name in `others`, else UNKNOWN."""
    known = {host.name: host.addresses for host in (*others, *spec.hosts) if tuple(map(family_of, host.addresses)) == spec.families}
    unknown = tuple(UNKNOWN[family] for family in spec.families)
    return ResolvedSpec.of(spec, {host.name: known.get(host.name, unknown) for host in spec.hosts})


def resolve_known(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> ResolvedSpec:
    """The spec with the addresses of the hosts that have facts. Unknown addresses of other hosts are UNKNOWN; the pods' MTU stays as in the file."""
    return resolve_offline(_with_addresses(spec, facts, facts.keys()))


def resolved_problems(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[Problem, ...]:
    """What the offline rules find once the addresses of hosts are known, and did not find in the file.

    A problem of members of the cluster alone is a warning, because nothing can be changed without a new cluster. A range with addresses of several
    hosts is one problem: an error if one of the hosts is new.
    """
    in_file = {_fault(problem) for problem in check_spec(spec)}
    members = {host.name for host in spec.hosts if host.name in facts and registered_addresses(spec, facts[host.name])}
    of_members = {_fault(problem) for problem in check_spec(_with_addresses(spec, facts, members))} if members else set()
    return tuple(
        replace(problem, severity=Severity.WARNING) if _fault(problem) in of_members else problem
        for problem in check_spec(_with_addresses(spec, facts, facts.keys()))
        if _fault(problem) not in in_file
    )


def _fault(problem: Problem) -> tuple[str, str, str]:
    """What stays the same when more addresses are known. A hint may propose another range then."""
    return problem.code, problem.path, problem.message


def _with_addresses(spec: ClusterSpec, facts: Mapping[str, HostFacts], names: Set[str]) -> ClusterSpec:
    """The spec with the addresses of the hosts with these names."""
    found = {host.name: node_addresses(spec, host, facts[host.name]) for host in spec.hosts if host.name in names}
    hosts = tuple(
        host.model_copy(update={"addresses": found[host.name]}) if len(found.get(host.name, ())) == len(spec.families) else host
        for host in spec.hosts
    )
    return spec.model_copy(update={"hosts": hosts})
