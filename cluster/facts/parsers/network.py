"""Links, routes, kernel settings and name servers: from `ip -j` and /proc/sys/net."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network
from itertools import pairwise
from typing import Any

from cluster.facts.host_facts import DefaultRoute, InterfaceAddress, Link, Route
from cluster.facts.parsers.sections import pairs, read_json, value, values
from cluster.vocabulary.families import Address, Family


def links(text: str) -> tuple[Link, ...]:
    """Part links: `ip -j -d address show`; accept_ra is added later from the kernel settings."""
    entries = _json_list(text)
    if not entries:
        raise ValueError("`ip -j address` printed nothing")
    # old iproute2 prints {} for each link that a filter left out
    return tuple(_link(entry) for entry in entries if entry.get("ifname"))


def _link(entry: dict[str, Any]) -> Link:
    entries = entry.get("addr_info") or []
    return Link(
        name=str(entry["ifname"]),
        mtu=int(entry.get("mtu", 0)),
        mac=entry.get("address") if entry.get("link_type") == "ether" else None,
        up="UP" in entry.get("flags", ()),
        kind=str((entry.get("linkinfo") or {}).get("info_kind", "")) or ("loopback" if entry.get("link_type") == "loopback" else ""),
        addresses=tuple(_address(entry) for entry in entries if entry.get("local")),
    )


def _address(entry: dict[str, Any]) -> InterfaceAddress:
    # a flag is a key whose value is true: tentative, dadfailed, deprecated, temporary, dynamic, ...
    flags = frozenset(name for name, value in entry.items() if value is True)
    if entry.get("protocol") == "kernel_ra":  # since Linux 5.18
        flags |= {"kernel_ra"}
    return InterfaceAddress(ip_interface(f"{entry['local']}/{entry['prefixlen']}"), str(entry.get("scope", "")), flags)


@dataclass(frozen=True, slots=True)
class Routing:
    """The routes of the main table."""

    default: tuple[DefaultRoute, ...] = ()
    others: tuple[Route, ...] = ()


def routing(text: str) -> Routing:
    """Part routes."""
    return Routing(default_routes(text), routes(text))


def default_routes(text: str) -> tuple[DefaultRoute, ...]:
    """Default routes of the main table, IPv4 before IPv6."""
    found: list[DefaultRoute] = []
    for word, family in (("ipv4", Family.IPV4), ("ipv6", Family.IPV6)):
        if not any(first == word for first, _ in pairs(text)):
            raise ValueError(f"the {word} routes are missing")
        for route in _json_list(value(text, word) or ""):
            # a route with several next hops lists them in `nexthops`
            for hop in route.get("nexthops") or [route]:
                if hop.get("dev"):
                    found.append(DefaultRoute(family, str(hop["dev"]), _gateway(hop), str(route.get("protocol", ""))))
    return tuple(found)


# the kinds of routes that iproute2 prints before the destination
_KINDS = {"unreachable", "blackhole", "prohibit", "throw", "local", "broadcast", "multicast", "anycast", "nat", "unicast"}


def routes(text: str) -> tuple[Route, ...]:
    """The other routes of the main table, without link-local ones, which every link has. Lines of another form are ignored."""
    found = []
    for word in ("ipv4", "ipv6"):
        for line in values(text, f"route-{word}"):
            words = line.split()
            kind = words.pop(0) if words[0] in _KINDS else "unicast"
            options = dict(pairwise(words))
            try:
                network = ip_network(words[0])
                gateway = ip_address(options["via"]) if "via" in options and options["via"] != "inet6" else None
            except (ValueError, IndexError):
                continue
            if not network.network_address.is_link_local:
                found.append(Route(network, options.get("dev", ""), gateway, kind))
    return tuple(found)


def _gateway(hop: dict[str, Any]) -> Address | None:
    # `via` has its own family: an IPv4 route through an IPv6 gateway (RFC 5549)
    text = hop.get("gateway") or (hop.get("via") or {}).get("host")
    return ip_address(text) if text else None


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """Forwarding (on both `all` and `default`) of each family of the kernel, accept_ra of each link, where IPv6 is disabled (also `all`, `default`)."""

    forwarding: dict[Family, bool] = field(default_factory=dict)
    accept_ra: dict[str, int] = field(default_factory=dict)
    ipv6_disabled: frozenset[str] = frozenset()
    values: dict[str, str] = field(default_factory=dict)  # of kubeadm/kernel_settings.py, by dotted name


def kernel_settings(text: str) -> KernelSettings:
    """Part kernel-settings."""
    settings = dict(pairs(text))
    forwarding = {
        family: settings[f"{family}/conf/all/forwarding"] != "0" and settings.get(f"{family}/conf/default/forwarding") != "0"
        for family in Family
        if f"{family}/conf/all/forwarding" in settings
    }
    if not forwarding:
        raise ValueError("the forwarding settings are missing")
    accept_ra = {path.split("/")[2]: int(number) for path, number in settings.items() if path.endswith("/accept_ra")}
    disabled = frozenset(path.split("/")[2] for path, number in settings.items() if path.endswith("/disable_ipv6") and number != "0")
    of_links = ("/accept_ra", "/disable_ipv6")
    values_by_name = {f"net.{path.replace('/', '.')}": number for path, number in settings.items() if not path.endswith(of_links)}
    return KernelSettings(forwarding, accept_ra, disabled, values_by_name)


@dataclass(frozen=True, slots=True)
class Resolver:
    """The file whose name servers pods get by default, and the name servers of each file that was found."""

    file: str = "/etc/resolv.conf"
    nameservers: dict[str, tuple[Address, ...]] = field(default_factory=dict)


def resolver(text: str) -> Resolver:
    """Part resolver. Without zone ids of addresses, which are valid only on the host."""
    default = value(text, "default")
    if default is None:
        raise ValueError("the resolver file is missing")
    found: dict[str, tuple[Address, ...]] = {}
    current = ""
    for word, rest in pairs(text):
        if word == "file":
            current, found[rest] = rest, ()
        elif word == "nameserver" and rest:
            found[current] += (ip_address(rest.partition("%")[0]),)
    return Resolver(default, found)


def _json_list(text: str) -> list[dict[str, Any]]:
    document = read_json(text) if text.strip() else []
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise ValueError("not a JSON list of objects")
    return document
