"""Kinds of addresses that a pod or service range must not have."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from cluster.rules.addresses import SITE_LOCAL, ranges
from cluster.rules.free_ranges import free_range, range_fix
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import Network
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.special_ranges import unusable

_UNIQUE_LOCAL = IPv6Network("fc00::/7")
# RFC 1918, 6598, 2544
_PRIVATE = [IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15")]


@spec_rule("unusable-range")
def pod_ranges_are_usable(spec: ClusterSpec) -> Iterator[Violation]:
    """A pod or service range contains loopback, multicast, link-local, unspecified or IPv4-mapped addresses."""
    for path, cidr, what in ranges(spec):
        if (kind := unusable(cidr)) is not None:
            private = "10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16" if cidr.version == 4 else "fd00::/8"
            yield Violation(
                path,
                f"{cidr} contains {kind} addresses, which no {what} can have",
                _hint(spec, path, what, cidr, f"use a range inside {private}"),
                range_fix(spec, path, what, cidr.version),
            )


@spec_rule("site-local", Severity.WARNING)
def ranges_are_not_site_local(spec: ClusterSpec) -> Iterator[Violation]:
    """A range or address is inside fec0::/10, which RFC 3879 deprecates and some software treats as special."""
    for path, cidr, what in ranges(spec):
        if cidr.version == 6 and cidr.overlaps(SITE_LOCAL):
            yield Violation(
                path,
                f"{cidr} is site-local, which RFC 3879 deprecates",
                _hint(spec, path, what, cidr, "use a range inside fd00::/8 (RFC 4193)"),
                range_fix(spec, path, what, 6),
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
        if not private and unusable(cidr) is None and not (isinstance(cidr, IPv6Network) and cidr.overlaps(SITE_LOCAL)):
            use = "10.0.0.0/8" if cidr.version == 4 else "fd00::/8"
            yield Violation(
                path,
                f"{cidr} is a public range, and {what}s that use it hide its owner",
                _hint(spec, path, what, cidr, f"use a range inside {use}, unless you own this one"),
                range_fix(spec, path, what, cidr.version),
            )


def _hint(spec: ClusterSpec, path: str, what: str, cidr: Network, rule: str) -> str:
    free = free_range(spec, path, what, cidr.version)
    return f"{rule}, such as {free}" if free is not None else rule
