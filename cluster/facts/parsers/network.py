"""Links, routes, kernel settings and name servers: from `ip -j` and /proc/sys/net."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any

from cluster.facts.host_facts import DefaultRoute, InterfaceAddress, Link
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
    return InterfaceAddress(ip_interface(f"{entry['local']}/{entry['prefixlen']}"), str(entry.get("scope", "")), flags)


def default_routes(text: str) -> tuple[DefaultRoute, ...]:
    """Part routes: default routes of the main table, IPv4 before IPv6."""
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


def _gateway(hop: dict[str, Any]) -> Address | None:
    # `via` has its own family: an IPv4 route through an IPv6 gateway (RFC 5549)
    text = hop.get("gateway") or (hop.get("via") or {}).get("host")
    return ip_address(text) if text else None


@dataclass(frozen=True, slots=True)
class KernelSettings:
    """Forwarding (on both `all` and `default`) of each family of the kernel, and accept_ra of each link."""

    forwarding: dict[Family, bool] = field(default_factory=dict)
    accept_ra: dict[str, int] = field(default_factory=dict)


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
    return KernelSettings(forwarding, accept_ra)


def nameservers(text: str) -> tuple[Address, ...]:
    """Part resolver: the name servers that pods would get from this host, without zone ids, which are valid only on the host."""
    if value(text, "file") is None:
        raise ValueError("the resolver file is missing")
    return tuple(ip_address(server.partition("%")[0]) for server in values(text, "nameserver"))


def _json_list(text: str) -> list[dict[str, Any]]:
    document = read_json(text) if text.strip() else []
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise ValueError("not a JSON list of objects")
    return document
