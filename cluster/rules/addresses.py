"""Allowed node addresses and ranges."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from cluster.rules.registry import item_rule, spec_rule
from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, Host
from cluster.vocabulary.special_ranges import unusable

_SITE_LOCAL = IPv6Network("fec0::/10")
_UNIQUE_LOCAL = IPv6Network("fc00::/7")
# RFC 1918, 6598, 2544
_PRIVATE = [IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15")]


def ranges(spec: ClusterSpec) -> Iterator[tuple[str, Network, str]]:
    """Path, range and kind (`pod` or `service`) of every pod and service range that could be read."""
    if spec.network.has("pods"):
        for index, pods in readable(spec.network.pods):
            if pods.has("cidr"):
                yield f"network.pods[{index}].cidr", pods.cidr, "pod"
    if spec.network.has("services"):
        for index, cidr in readable(spec.network.services):
            yield f"network.services[{index}]", cidr, "service"


@item_rule("unusable-address", "hosts")
def node_addresses_are_usable(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A node address is loopback, multicast, link-local, unspecified or IPv4-mapped (kubernetes#130409)."""
    for index, address in readable(host.addresses):
        if (kind := unusable(address)) is not None:
            plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
            hint = f"write {plain}" if plain is not None else f"use an address of {_host_name(host)} that the other hosts can reach"
            yield Violation(f"{at}.addresses[{index}]", f"{address} is {kind} and cannot be a node address", hint)


@spec_rule("unusable-range")
def pod_ranges_are_usable(spec: ClusterSpec) -> Iterator[Violation]:
    """A pod or service range contains loopback, multicast, link-local, unspecified or IPv4-mapped addresses."""
    for path, cidr, what in ranges(spec):
        if (kind := unusable(cidr)) is not None:
            private = "10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16" if cidr.version == 4 else "fd00::/8"
            yield Violation(path, f"{cidr} contains {kind} addresses, which no {what} can have", f"use a range inside {private}")


@spec_rule("site-local", Severity.WARNING)
def ranges_are_not_site_local(spec: ClusterSpec) -> Iterator[Violation]:
    """A range or address is inside fec0::/10, which RFC 3879 deprecates and some software treats as special."""
    for path, cidr, _what in ranges(spec):
        if cidr.version == 6 and cidr.overlaps(_SITE_LOCAL):
            yield Violation(path, f"{cidr} is site-local, which RFC 3879 deprecates", "use a range inside fd00::/8 (RFC 4193)")


@item_rule("site-local", "hosts", Severity.WARNING)
def node_addresses_are_not_site_local(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A range or address is inside fec0::/10, which RFC 3879 deprecates and some software treats as special."""
    for index, address in readable(host.addresses):
        if address in _SITE_LOCAL:
            yield Violation(
                f"{at}.addresses[{index}]", f"{address} is site-local, which RFC 3879 deprecates", "use an address from fd00::/8 (RFC 4193)"
            )


@spec_rule("public-range", Severity.WARNING)
def ranges_are_private(spec: ClusterSpec) -> Iterator[Violation]:
    """A pod or service range is public. The cluster cannot reach the real owner of its addresses."""
    for path, cidr, what in ranges(spec):
        private = (
            any(cidr.subnet_of(private_range) for private_range in _PRIVATE)
            if isinstance(cidr, IPv4Network)
            else cidr.subnet_of(_UNIQUE_LOCAL)
        )
        if not private and unusable(cidr) is None and not (isinstance(cidr, IPv6Network) and cidr.overlaps(_SITE_LOCAL)):
            use = "10.0.0.0/8" if cidr.version == 4 else "fd00::/8"
            yield Violation(
                path,
                f"{cidr} is a public range, and {what}s that use it hide its owner",
                f"use a range inside {use}, unless you own the range",
            )


@spec_rule("duplicate-address")
def no_address_twice(spec: ClusterSpec) -> Iterator[Violation]:
    """Two hosts have the same node address."""
    owners: dict[Address, str] = {}
    for index, host in readable(spec.hosts):
        if not host.has("addresses"):
            continue
        for position, address in readable(host.addresses):
            path = f"hosts[{index}].addresses[{position}]"
            if address in owners:
                yield Violation(path, f"{address} is also at {owners[address]}", "give each host its own addresses")
            owners.setdefault(address, path)


def _host_name(host: Host) -> str:
    return host.name if host.has("name") else "the host"
