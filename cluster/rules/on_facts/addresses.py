"""Node addresses on the hosts: present, stable and unambiguous."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.facts.host_facts import HostFacts, InterfaceAddress
from cluster.facts.node_addresses import candidates, registered_addresses
from cluster.pod_networks.plugins import pod_network
from cluster.rules.inspected import Inspected
from cluster.rules.on_facts.ports import api_port
from cluster.rules.registry import cluster_rule, host_rule
from cluster.vocabulary.families import Address, Family, family_of
from cluster.vocabulary.hostport import API_PORT, split_host_port
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host, parse_address

_WORD = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
_HINTS = {
    "tentative": "wait until duplicate address detection has ended, check that the link is up, and run again",
    "dadfailed": "another machine on this link has the same address: change the address of one machine, and keep duplicate address detection on",
    "deprecated": "the preferred lifetime of this address is over: use a permanent address",
    "temporary": "privacy addresses change regularly (RFC 8981): use the stable address of this interface",
}


@host_rule("address-not-on-host")
def addresses_are_on_the_host(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A node address from the file, or the registered address of the node, is not on the host or not on the given interface (kubernetes#130409)."""
    for address in cluster.addresses(host) if facts.links else ():  # rule facts-unknown reports missing links
        family = family_of(address)
        link = facts.link_of(address)
        if link is None:
            others = _join(entry for entry in facts.addresses if family_of(entry.address) is family and entry.scope == "global")
            hint = f"write an address of the host, or add this one with `ip address add {address}/{_usual_prefix_length(facts, family)} dev LINK` and in the network configuration of the host"
            yield Violation(
                "addresses", f"no interface of the host has {address}; {_WORD[family]} addresses of the host: {others or 'none'}", hint
            )
        elif host.interface is not None and link.name != host.interface:
            yield Violation(
                "addresses",
                f"{address} is on {link.name}, but the file has interface {host.interface}",
                f"write interface: {link.name}, or remove interface",
            )
        elif not link.up:
            yield Violation(
                "addresses",
                f"{address} is on {link.name}, which is down",
                f"run `ip link set {link.name} up`, and enable the link at boot",
            )


def _usual_prefix_length(facts: HostFacts, family: Family) -> int:
    lengths = (
        entry.interface.network.prefixlen for entry in facts.addresses if family_of(entry.address) is family and entry.scope == "global"
    )
    return next(lengths, 24 if family is Family.IPV4 else 64)


@host_rule("address-not-stable")
def addresses_are_stable(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """A node address is tentative, failed duplicate address detection, is deprecated or is temporary (talos#9725)."""
    for address in cluster.addresses(host):
        for entry in facts.addresses:
            if entry.address == address and not entry.stable:
                worst = next(flag for flag in ("dadfailed", "tentative", "temporary", "deprecated") if flag in entry.flags)
                yield Violation("addresses", f"{address} is {worst}", _HINTS[worst])


@host_rule("interface-not-on-host")
def interface_is_on_the_host(_cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The interface from the file does not exist on the host."""
    if host.interface is not None and facts.links and facts.link(host.interface) is None:
        names = ", ".join(link.name for link in facts.links if link.kind not in ("loopback", "veth"))
        yield Violation(
            "interface",
            f"the host has no interface {host.interface}; interfaces of the host: {names or 'none'}",
            "write one of these, or remove interface",
        )


@host_rule("no-node-address")
def an_address_can_be_chosen(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The file has no addresses for the host, and the host has no stable global address of a family in use."""
    if host.addresses or registered_addresses(cluster.spec, facts):
        return
    if not facts.links or (host.interface is not None and facts.link(host.interface) is None):
        return  # rules facts-unknown and interface-not-on-host report this
    for family in cluster.spec.families:
        if candidates(host, facts, family):
            continue
        where = f"interface {host.interface}" if host.interface else _default_route(facts, family)
        others = _join(entry for entry in facts.addresses if family_of(entry.address) is family)
        message = f"no stable global {_WORD[family]} address on {where}; {_WORD[family]} addresses of the host: {others or 'none'}"
        yield Violation(
            "addresses",
            message,
            f"add a stable address to the host, or write addresses or interface for {host.name}, or use another stack than {cluster.spec.stack}",
        )


@host_rule("several-node-addresses")
def the_choice_is_clear(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The file has no addresses for the host, and the host has several candidates of a family. The owner must choose."""
    if host.addresses or registered_addresses(cluster.spec, facts):
        return
    for family in cluster.spec.families:
        choices = candidates(host, facts, family)
        if len(choices) > 1:
            where = f"interface {host.interface}" if host.interface else _default_route(facts, family)
            message = f"{len(choices)} {_WORD[family]} addresses on {where} could be the node address: {_join(choices)}"
            yield Violation("addresses", message, f"write the addresses to use as addresses of {host.name}")


@host_rule("addresses-on-two-links")
def addresses_are_on_one_link(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[Violation]:
    """The two node addresses are on two links, but flannel uses one link for both families, and exits (flannel#2081)."""
    plugin = pod_network(cluster.spec)
    links = {address: link.name for address in cluster.addresses(host) if (link := facts.link_of(address)) is not None}
    if plugin.needs_one_link and len(set(links.values())) > 1:
        where = ", ".join(f"{address} is on {link}" for address, link in links.items())
        hint = f"write addresses of one link as addresses of {host.name}, write the link as interface, or use `cni: {{kind: calico}}`"
        yield Violation("addresses", f"{where}, but {plugin.title} needs both on one link", hint)


@cluster_rule("endpoint-not-on-control-plane")
def endpoint_leads_to_the_control_plane(cluster: Inspected) -> Iterator[Violation]:
    """The API endpoint is an address of a host that is not a control plane."""
    endpoint, address = cluster.spec.control_plane.endpoint, _endpoint_address(cluster)
    if address is None:
        return
    control_planes = {host.name for host in cluster.spec.control_planes}
    for host, facts in cluster.hosts:
        if host.name not in control_planes and facts.link_of(address) is not None:
            message = f"the API endpoint {endpoint} is an address of the worker {host.name}"
            yield Violation(
                f"hosts/{host.name}/addresses",
                message,
                f"write an address of {', '.join(sorted(control_planes))} as control_plane: endpoint",
            )


@cluster_rule("endpoint-on-no-host", Severity.WARNING)
def endpoint_is_an_address_of_a_host(cluster: Inspected) -> Iterator[Violation]:
    """The API endpoint is an address that no host of the cluster has. It must be a load balancer or a virtual IP that leads to the control plane."""
    address = _endpoint_address(cluster)
    if address is None or any(facts.link_of(address) is not None or not facts.links for _, facts in cluster.hosts):
        return
    if len(cluster.hosts) < len(cluster.spec.hosts):
        return  # a host that was not reached may have it
    port = split_host_port(cluster.spec.control_plane.endpoint or "", API_PORT)[1]
    yield Violation(
        "control_plane/endpoint",
        f"no host of the cluster has the address {address}",
        f"check the address; if it is a load balancer or a virtual IP, it must forward port {port} to port {api_port(cluster)} of the control plane",
    )


def _endpoint_address(cluster: Inspected) -> Address | None:
    """The address of the endpoint in the file; None for a name, which only the resolvers of the hosts can resolve."""
    endpoint = cluster.spec.control_plane.endpoint
    if endpoint is None:
        return None
    try:
        return parse_address(split_host_port(endpoint, API_PORT)[0])
    except ValueError:
        return None


def _default_route(facts: HostFacts, family: Family) -> str:
    interfaces = [route.interface for route in facts.default_routes if route.family is family] or [
        route.interface for route in facts.default_routes
    ]
    if not interfaces:
        return "the interface of a default route (the host has no default route)"
    return f"{', '.join(dict.fromkeys(interfaces))} (default route)"


def _join(addresses: Iterator[InterfaceAddress] | tuple[InterfaceAddress, ...]) -> str:
    def describe(entry: InterfaceAddress) -> str:
        unstable = sorted(entry.flags & {"tentative", "dadfailed", "deprecated", "temporary"})
        return f"{entry.address} ({', '.join(unstable)})" if unstable else str(entry.address)

    return ", ".join(describe(entry) for entry in addresses)
