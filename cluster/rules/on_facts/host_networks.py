"""Networks, gateways and name servers of the hosts, compared with the ranges and addresses of the cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_network

from cluster.facts.host_facts import HostFacts
from cluster.pod_networks.plugins import POD_NETWORKS
from cluster.rules.addresses import ranges
from cluster.rules.inspected import Inspected
from cluster.rules.registry import cluster_rule
from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.hostport import API_PORT, split_host_port
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import Host, parse_address
from cluster.vocabulary.special_ranges import unusable

# links of pods on a node, besides those of the plug-ins
_POD_LINKS = (
    *("kube-ipvs0", "nodelocaldns"),
    *(glob for plugin in POD_NETWORKS.values() for glob in (*plugin.pod_links, *plugin.leftovers.link_globs)),
)
# a shorter prefix than this replaces a default route, or sinks all private addresses
_SHORTEST_PREFIX = {4: 8, 6: 16}
# links behind which no other host can be
_INTERNAL_KINDS = ("bridge", "dummy", "vxlan")
_LISTED = 3


@dataclass(frozen=True, slots=True)
class _Use:
    """A network that a host has or reaches."""

    host: Host
    network: Network
    words: str  # what has the network
    member: bool  # the host is a node of the cluster, where a change is no longer possible
    reaches: bool = True  # packets to the network leave the host or its link (no blackhole)


def _uses(cluster: Inspected, host: Host, facts: HostFacts) -> Iterator[_Use]:
    """Networks of links, routes, gateways and name servers, without those of the cluster itself."""
    member = cluster.is_member(facts)
    connected: dict[tuple[Network, str], Network] = {}

    own, pod_ranges = cluster.owns(facts), cluster.spec.pod_ranges

    def is_of_the_cluster(network: Network, interface: str) -> bool:
        # the length first: a node has a route for each other node
        return own and (
            any(network.prefixlen > pods.prefixlen and _is_inside(network, pods) for pods in pod_ranges)
            or any(fnmatchcase(interface, glob) for glob in _POD_LINKS)
        )

    for link in facts.links:
        for entry in link.addresses:
            network = entry.interface.network
            if unusable(network) is None and not is_of_the_cluster(network, link.name):
                connected[network, link.name] = network
                yield _Use(host, network, f"{link.name} has {entry.interface}", member)
    gateways = [route.gateway for route in facts.default_routes]
    for route in facts.routes:
        if is_of_the_cluster(route.network, route.interface):
            continue
        gateways.append(route.gateway)
        if (route.network, route.interface) not in connected:
            by = f" through {route.gateway}" if route.gateway else f" on {route.interface}" if route.interface else ""
            words = f"route to {route.network}{by}" if route.kind == "unicast" else f"{route.kind} route to {route.network}"
            yield _Use(host, route.network, words, member, route.kind == "unicast")
    for what, addresses in (("gateway", dict.fromkeys(gateways)), ("name server", facts.nameservers)):
        for address in addresses:
            # a network of a link that has the gateway is one fault
            if (
                address is not None
                and unusable(address) is None
                and not (what == "gateway" and any(address in network for network in connected.values()))
            ):
                yield _Use(host, ip_network(address), f"{what} {address}", member)


def _is_inside(network: Network, outer: Network) -> bool:
    # subnet_of also calculates both last addresses
    return network.version == outer.version and network.prefixlen >= outer.prefixlen and network.network_address in outer


def _uses_of_hosts(cluster: Inspected) -> list[_Use]:
    return [use for host, facts in cluster.hosts for use in _uses(cluster, host, facts)]


def networks_of_hosts(cluster: Inspected) -> tuple[Network, ...]:
    """The networks that hosts have or reach, and their gateways and name servers; without what replaces a default route."""
    return tuple(
        dict.fromkeys(use.network for use in _uses_of_hosts(cluster) if use.network.prefixlen >= _SHORTEST_PREFIX[use.network.version])
    )


@cluster_rule("range-on-hosts")
def ranges_are_not_networks_of_hosts(cluster: Inspected) -> Iterator[Violation]:
    """A pod or service range contains a network, a gateway or a name server of a host. Either the cluster or the host loses its packets
    (kubespray#3390). On nodes of the cluster, where the range cannot be changed, this is a warning."""
    # one violation per range; rule address-in-range reports node addresses
    all_uses = _uses_of_hosts(cluster)
    for path, cidr, what in ranges(cluster.spec):
        uses = [use for use in all_uses if _is_inside(use.network, cidr) and not _has_node_address(cluster, use, cidr)]
        if uses:
            message = f"the {what} range {cidr} ({path}) contains networks of hosts: {_listed(uses)}"
            hint = f"use another {what} range, for example {_free_range(cluster, cidr, all_uses)}, or remove these networks from the hosts"
            severity = Severity.WARNING if all(use.member for use in uses) else Severity.ERROR
            yield Violation(f"hosts/{uses[0].host.name}/networks", message, hint, severity=severity)


def _has_node_address(cluster: Inspected, use: _Use, cidr: Network) -> bool:
    """Whether a node address of the host is in both networks: rule address-in-range reports this fault."""
    own = (address for address in cluster.addresses(use.host) if address.version == cidr.version)
    return any(address in use.network and address in cidr for address in own)


@cluster_rule("range-in-host-network", Severity.WARNING)
def ranges_are_not_inside_networks_of_hosts(cluster: Inspected) -> Iterator[Violation]:
    """A pod or service range is inside a network that hosts reach. The cluster works, but its hosts and pods no longer reach other machines in
    this range."""
    all_uses = _uses_of_hosts(cluster)
    for path, cidr, what in ranges(cluster.spec):
        uses = [
            use
            for use in all_uses
            if use.reaches
            and use.network != cidr
            and _is_inside(cidr, use.network)
            and use.network.prefixlen >= _SHORTEST_PREFIX[cidr.version]
            and not _has_node_address(cluster, use, cidr)
        ]
        if uses:
            message = f"the {what} range {cidr} ({path}) is inside networks of hosts: {_listed(uses)}"
            hint = f"make sure that no machine there has an address in {cidr}, or use another range, for example {_free_range(cluster, cidr, all_uses)}"
            yield Violation(f"hosts/{uses[0].host.name}/networks", message, hint)


def _listed(uses: Iterable[_Use]) -> str:
    by_words: dict[str, list[str]] = defaultdict(list)
    for use in uses:
        by_words[use.words].append(use.host.name)
    words = [f"{words} ({_names(names)})" for words, names in by_words.items()]
    return "; ".join(words[:_LISTED]) + (f"; and {len(words) - _LISTED} more" if len(words) > _LISTED else "")


def _names(names: list[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:_LISTED]) + (f" and {len(distinct) - _LISTED} more hosts" if len(distinct) > _LISTED else "")


def _free_range(cluster: Inspected, cidr: Network, uses: Iterable[_Use]) -> Network | str:
    """A range of the same length that no host and no other range uses."""
    addresses = (ip_network(address) for host in cluster.spec.hosts for address in cluster.addresses(host))
    taken = [*(use.network for use in uses if use.network.prefixlen >= _SHORTEST_PREFIX[use.network.version]), *addresses]
    taken += [other for _, other, _ in ranges(cluster.spec)]
    return next(
        (free for free in _private(cidr) if not any(free.version == used.version and free.overlaps(used) for used in taken)), "a free one"
    )


def _private(cidr: Network) -> Iterator[Network]:
    length = cidr.prefixlen
    if isinstance(cidr, IPv4Network):
        blocks = (IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
        yield from (network for block in blocks if block.prefixlen <= length for network in block.subnets(new_prefix=length))
    else:
        # the second 16 bits vary
        yield from (IPv6Network((0xFD44 << 112 | number << 96 if length >= 32 else 0xFD44 << 112, length)) for number in range(1, 4096))


@cluster_rule("address-in-local-network")
def addresses_are_not_behind_local_bridges(cluster: Inspected) -> Iterator[Violation]:
    """The API endpoint or the address of another host is inside the network of a bridge or dummy link of a host (docker0, virbr0). The host
    searches it there."""
    found: dict[tuple[str, Network], tuple[list[str], list[str]]] = {}
    endpoint = _endpoint(cluster)
    searched = [(address, host.name) for host in cluster.spec.hosts for address in cluster.addresses(host)]
    searched += [(endpoint, "the API endpoint")] if endpoint is not None else []
    for host, facts in cluster.hosts:
        own = {entry.address for entry in facts.addresses}
        internal = _internal_networks(cluster, host, facts)
        for address, what in searched if internal else ():
            if address in own or (captor := _captor(facts, internal, address)) is None:
                continue
            hosts, addresses = found.setdefault(captor, ([], []))
            hosts.append(host.name)
            addresses.append(f"{address} ({what})")
    for (link_name, network), (hosts, addresses) in found.items():
        message = f"{link_name} has the network {network} on {_names(hosts)}, which contains {', '.join(dict.fromkeys(addresses))}"
        yield Violation(
            f"hosts/{hosts[0]}/networks", message, f"give {link_name} another network, or remove it: `ip link delete {link_name}`"
        )


def _internal_networks(cluster: Inspected, host: Host, facts: HostFacts) -> list[tuple[str, Network]]:
    """Names and networks of links behind which no other host can be. A bridge with a node address or a default route leads out."""
    outward = {link.name for own in cluster.addresses(host) if (link := facts.link_of(own)) is not None}
    outward |= {route.interface for route in facts.default_routes}
    links = (link for link in facts.links if link.kind in _INTERNAL_KINDS and link.name not in outward)
    return [(link.name, entry.interface.network) for link in links for entry in link.addresses if unusable(entry.interface.network) is None]


def _captor(facts: HostFacts, internal: list[tuple[str, Network]], address: Address) -> tuple[str, Network] | None:
    """The internal link and network to which this host sends packets for the address; None when they leave the host."""
    captors = [(name, network) for name, network in internal if network.version == address.version and address in network]
    if not captors:
        return None
    best = max(captors, key=lambda captor: captor[1].prefixlen)
    networks = (entry.interface.network for entry in facts.addresses)
    longer = (network for network in networks if network.version == address.version and network.prefixlen > best[1].prefixlen)
    return None if any(address in network for network in longer) else best


def _endpoint(cluster: Inspected) -> Address | None:
    endpoint = cluster.spec.control_plane.endpoint
    try:
        return parse_address(split_host_port(endpoint, API_PORT)[0]) if endpoint is not None else None
    except ValueError:
        return None  # a name
