"""Ranges that a cluster file can use: private, of the right size, and outside everything else in the file."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from itertools import islice

from cluster.rules.addresses import addresses_in, ranges
from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.fixes import Fix, replace_by
from cluster.vocabulary.spec import ClusterSpec

# a valid file has four ranges; the rules about families report the others
MOST_RANGES = 16
_TRIED = 64
# what the examples use, then the other private ranges
_PODS = {4: ("10.244.0.0/14", "10.128.0.0/10", "172.16.0.0/12", "10.0.0.0/9", "192.168.0.0/16"), 6: ("fd44::/40", "fd45::/40")}
_SERVICES = {4: ("10.96.0.0/14", "172.16.0.0/12", "10.0.0.0/9", "192.168.0.0/16"), 6: ("fd44:0:0:ffff::/104", "fd45:0:0:ffff::/104")}


def free_range(spec: ClusterSpec, path: str, what: str, version: int, ignored: tuple[str, ...] = ()) -> Network | None:
    """A range of this family for `network.pods[...]` or `network.services[...]`, with room for all hosts; None if none was found.

    `ignored`: paths of ranges that get another value too.
    """
    used = [cidr for at, cidr, _ in islice(ranges(spec), MOST_RANGES) if at != path and at not in ignored and cidr.version == version]
    used_addresses = [address for _, address, _ in addresses_in(spec) if address.version == version]
    hosts = len(spec.hosts) if spec.has("hosts") else 256
    return next((cidr for cidr in private_ranges(hosts, what, version) if _is_free(cidr, used, used_addresses)), None)


def range_fix(spec: ClusterSpec, path: str, what: str, version: int) -> Fix:
    """The fix that replaces the range at a path of `ranges` by a free range, with the default node mask."""
    found = free_range(spec, path, what, version)
    if found is None:
        return ()
    return replace_by({"cidr": str(found)}, path.removesuffix(".cidr")) if what == "pod" else replace_by(str(found), path)


def range_prefix(hosts: int, what: str, version: int) -> int:
    """The prefix length of a `pod` or `service` range with room for that many hosts, with the default node mask."""
    bits = (hosts - 1).bit_length()
    return {("pod", 4): min(16, 24 - bits), ("pod", 6): min(56, 64 - bits), ("service", 4): 16, ("service", 6): 112}[what, version]


def private_ranges(hosts: int, what: str, version: int) -> Iterator[Network]:
    """Private ranges for that many hosts, those of the examples first."""
    prefix = range_prefix(hosts, what, version)
    for text in (_PODS if what == "pod" else _SERVICES)[version]:
        whole = ip_network(text)
        yield from islice(whole.subnets(new_prefix=max(prefix, whole.prefixlen)), _TRIED)


def _is_free(cidr: Network, used: list[Network], addresses: list[Address]) -> bool:
    return not any(cidr.overlaps(other) for other in used) and not any(address in cidr for address in addresses)
