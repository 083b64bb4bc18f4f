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
from cluster.vocabulary.families import Address, Family, family_of
from cluster.vocabulary.problems import Problem, Severity
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec, Host

# placeholder for an address that only its host knows, when two files are compared offline; never printed, never sent
UNKNOWN = {Family.IPV4: ip_address("0.0.0.0"), Family.IPV6: ip_address("::")}


def resolve(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> ResolvedSpec:
    """The spec with the addresses of every host and the pods' MTU. The rules on facts have found no error: every host has facts."""
    found = {host.name: node_addresses(spec, host, facts[host.name]) for host in spec.hosts if host.name in facts}
    return _with_mtu(ResolvedSpec.of(spec, found), facts)


def resolve_partly(spec: ClusterSpec, facts: Mapping[str, HostFacts], nodes: Iterable[NodeState] = ()) -> ResolvedSpec:
    """The spec where hosts may lack facts: a missing address is taken from the host's node in `nodes`, else UNKNOWN."""
    of_nodes = {node.name: node.addresses for node in nodes}
    return _with_mtu(_with_every_address(_with_addresses(spec, facts, facts.keys()), of_nodes), facts)


def resolve_offline(spec: ClusterSpec, others: Sequence[Host] = ()) -> ResolvedSpec:
    """The spec without asking any host: a missing address is taken from the host of the same name in `others`, else UNKNOWN."""
    return _with_every_address(spec, {host.name: host.addresses for host in others})


def _with_every_address(spec: ClusterSpec, others: Mapping[str, Iterable[Address]]) -> ResolvedSpec:
    """The spec in which a host without an address of each family has those in `others` by its name, and UNKNOWN where they lack a family."""
    found = {}
    for host in spec.hosts:
        known = {family_of(address): address for address in others.get(host.name, ())}
        complete = tuple(map(family_of, host.addresses)) == spec.families
        found[host.name] = host.addresses if complete else tuple(known.get(family, UNKNOWN[family]) for family in spec.families)
    return ResolvedSpec.of(spec, found)


def _with_mtu(spec: ResolvedSpec, facts: Mapping[str, HostFacts]) -> ResolvedSpec:
    return ResolvedSpec.of(spec, cni=spec.cni.model_copy(update={"mtu": pod_network(spec).pod_mtu(spec, facts)}))


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
