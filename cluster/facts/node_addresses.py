"""Node addresses: those of the cluster file, else the one stable global address a family that facts show (kubernetes#130409)."""

from __future__ import annotations

from cluster.facts.host_facts import HostFacts, InterfaceAddress, Link
from cluster.vocabulary.families import Address, Family, family_of
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.special_ranges import unusable


def candidates(host: Host, facts: HostFacts, family: Family) -> tuple[InterfaceAddress, ...]:
    """Addresses of a family that could be the node's: stable, global, on the named interface or on those of the default route.

    A host without a default route of this family takes the other family's; one without any, needs the file to name an interface or addresses.
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
    """What kubelet on a node of this cluster was told, primary first: an address that came later does not make the choice unclear again."""
    if facts.owner != spec.name:
        return ()
    by_family = {family_of(address): address for address in facts.kubernetes.node_ips}
    return tuple(by_family[family] for family in spec.families) if set(by_family) == set(spec.families) else ()


def node_addresses(spec: ClusterSpec, host: Host, facts: HostFacts) -> tuple[Address, ...]:
    """Primary first: the file's, else those the node of this cluster has, else the chosen ones; a family that has none or several is left out."""
    if host.addresses:
        return host.addresses
    if registered := registered_addresses(spec, facts):
        return registered
    chosen = (candidates(host, facts, family) for family in spec.families)
    return tuple(found[0].address for found in chosen if len(found) == 1)
