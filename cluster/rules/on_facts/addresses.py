"""Node addresses as the hosts really have them: there, stable, chosen without doubt."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import HostFacts, InterfaceAddress
from cluster.facts.node_addresses import candidates, settled_addresses
from cluster.rules.inspected import Inspected
from cluster.rules.registry import cluster_rule, host_rule
from cluster.vocabulary.families import Family, family_of
from cluster.vocabulary.hostport import split_host_port
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import Host, parse_address

_WORD = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
_CURE = {
    "tentative": "wait until duplicate address detection is done, and run again; see that the link is up",
    "dadfailed": "another machine on this link has the same address: give one of them another, and never switch the detection off",
    "deprecated": "it is being given up (its preferred lifetime is over): use an address that stays",
    "temporary": "privacy addresses change by themselves (RFC 8981): use the stable address of this interface",
}


@host_rule("address-not-on-host")
def addresses_are_on_the_host(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """A node address that the file names, or that the node has in this cluster, is not on the host, or not on the named interface (kubernetes#130409)."""
    for address in cluster.addresses(host) if found.links else ():  # without any, rule facts-unknown says why
        family = family_of(address)
        link = found.link_of(address)
        if link is None:
            held = _listed(
                held for one in found.links for held in one.addresses if family_of(held.address) is family and held.scope == "global"
            )
            hint = f"write the address it has, or give it this one: `ip address add {address}/{_usual_length(found, family)} dev LINK`, and in its network setup"
            yield Violation("addresses", f"{address} is on none of its interfaces; its {_WORD[family]} addresses: {held or 'none'}", hint)
        elif host.interface is not None and link.name != host.interface:
            yield Violation(
                "addresses",
                f"{address} is on {link.name}, the file says interface {host.interface}",
                f"write interface: {link.name}, or leave it out",
            )
        elif not link.up:
            yield Violation(
                "addresses",
                f"{address} is on {link.name}, which is down",
                f"`ip link set {link.name} up`, and see that it comes up at boot",
            )


def _usual_length(found: HostFacts, family: Family) -> int:
    held = (one for one in found.addresses if family_of(one.address) is family and one.scope == "global")
    return next((one.interface.network.prefixlen for one in held), 24 if family is Family.IPV4 else 64)


@host_rule("address-not-stable")
def addresses_are_stable(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """A node address is tentative, failed in duplicate detection, deprecated or temporary (talos#9725)."""
    for address in cluster.addresses(host):
        for held in found.addresses:
            if held.address == address and not held.stable:
                worst = next(flag for flag in ("dadfailed", "tentative", "temporary", "deprecated") if flag in held.flags)
                yield Violation("addresses", f"{address} is {worst}", _CURE[worst])


@host_rule("interface-not-on-host")
def interface_is_on_the_host(_cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """The interface that the file names is not on the host."""
    if host.interface is not None and found.links and found.link(host.interface) is None:
        names = ", ".join(link.name for link in found.links if link.kind not in ("loopback", "veth"))
        yield Violation(
            "interface", f"it has no interface {host.interface}; it has {names or 'none'}", "write one of these, or leave interface out"
        )


@host_rule("no-node-address")
def an_address_can_be_chosen(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """The file names no addresses, and the host has no stable global one of a family in use."""
    if host.addresses or settled_addresses(cluster.spec, found):
        return
    if not found.links or (host.interface is not None and found.link(host.interface) is None):
        return  # rules facts-unknown and interface-not-on-host say so
    for family in cluster.spec.families:
        if candidates(host, found, family):
            continue
        where = f"interface {host.interface}" if host.interface else _default_route(found, family)
        others = _listed(held for held in found.addresses if family_of(held.address) is family)
        says = f"no stable global {_WORD[family]} address on {where}; its {_WORD[family]} addresses: {others or 'none'}"
        yield Violation(
            "addresses",
            says,
            f"give it one, or write hosts: addresses (or interface) for {host.name}, or use another stack than {cluster.spec.stack}",
        )


@host_rule("several-node-addresses")
def the_choice_is_clear(cluster: Inspected, host: Host, found: HostFacts) -> Iterator[Violation]:
    """The file names no addresses, and the host has several candidates of a family: which is meant, only the owner knows."""
    if host.addresses or settled_addresses(cluster.spec, found):
        return
    for family in cluster.spec.families:
        several = candidates(host, found, family)
        if len(several) > 1:
            where = f"interface {host.interface}" if host.interface else _default_route(found, family)
            says = f"{len(several)} {_WORD[family]} addresses on {where} could be the node's: {_listed(several)}"
            yield Violation("addresses", says, f"write the ones to use as addresses of {host.name}")


@cluster_rule("endpoint-not-on-control-plane")
def endpoint_leads_to_the_control_plane(cluster: Inspected) -> Iterator[Violation]:
    """The API endpoint is an address of a host that is not a control plane."""
    endpoint = cluster.spec.control_plane.endpoint
    if endpoint is None:
        return
    try:
        address = parse_address(split_host_port(endpoint, 6443)[0])
    except ValueError:
        return  # a name: only the hosts' own resolvers know where it leads
    control_planes = {host.name for host in cluster.spec.control_planes}
    for host, found in cluster.hosts:
        if host.name not in control_planes and found.link_of(address) is not None:
            says = f"the API endpoint {endpoint} is an address of {host.name}, which is a worker"
            yield Violation(
                f"hosts/{host.name}/addresses", says, f"write an address of {', '.join(sorted(control_planes))} as control_plane: endpoint"
            )


def _default_route(found: HostFacts, family: Family) -> str:
    of_family = [route.interface for route in found.default_routes if route.family is family] or [
        route.interface for route in found.default_routes
    ]
    if not of_family:
        return "the interface of a default route (it has none)"
    return f"{', '.join(dict.fromkeys(of_family))}, where its default route leads"


def _listed(addresses: Iterator[InterfaceAddress] | tuple[InterfaceAddress, ...]) -> str:
    def said(held: InterfaceAddress) -> str:
        unstable = sorted(held.flags & {"tentative", "dadfailed", "deprecated", "temporary"})
        return f"{held.address} ({', '.join(unstable)})" if unstable else str(held.address)

    return ", ".join(said(held) for held in addresses)
