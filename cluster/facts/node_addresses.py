"""Node addresses: from the cluster file, else the only stable global address of each family in the facts (kubernetes#130409)."""

from __future__ import annotations

from cluster.facts.host_facts import HostFacts, InterfaceAddress, Link
from cluster.vocabulary.families import Address, Family, family_of
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.special_ranges import unusable


def candidates(host: Host, facts: HostFacts, family: Family) -> tuple[InterfaceAddress, ...]:
    """Candidates for the node address of a family: stable and global, on the interface from the file or of the default route.

    Without a default route of this family, the default route of the other family counts. Without any, the file must have `interface` or `addresses`.
    """
    return tuple(
        entry
        for link in _links(host, facts, family)
        for entry in link.addresses
        if family_of(entry.address) is family and entry.scope == "global" and entry.stable and unusable(entry.address) is None
    )


def _links(host: Host, facts: HostFacts, family: Family) -> tuple[Link, ...]:
    if host.interface is not None:
        names = {host.interface}
    else:
        names = {route.interface for route in facts.default_routes if route.family is family} or {
            route.interface for route in facts.default_routes
        }
    return tuple(link for link in facts.links if link.name in names)


def registered_addresses(spec: ClusterSpec, facts: HostFacts) -> tuple[Address, ...]:
    """The --node-ip of the kubelet on a node of this cluster, primary first. Addresses that were added later do not change the choice."""
    if facts.owner != spec.name:
        return ()
    by_family = {family_of(address): address for address in facts.kubernetes.node_ips}
    return tuple(by_family[family] for family in spec.families) if set(by_family) == set(spec.families) else ()


def node_addresses(spec: ClusterSpec, host: Host, facts: HostFacts) -> tuple[Address, ...]:
    """Node addresses, primary first: from the file, else of the existing node, else detected. A family with no or several candidates is omitted."""
    if host.addresses:
        return host.addresses
    if registered := registered_addresses(spec, facts):
        return registered
    chosen = (candidates(host, facts, family) for family in spec.families)
    return tuple(found[0].address for found in chosen if len(found) == 1)
