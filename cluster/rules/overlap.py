"""Overlaps between pod ranges, service ranges, node addresses, SSH addresses, the API endpoint and name servers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from cluster.rules.addresses import addresses_in, ranges
from cluster.rules.free_ranges import MOST_RANGES, free_range, range_fix
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.special_ranges import unusable


@spec_rule("ranges-overlap")
def ranges_do_not_overlap(spec: ClusterSpec) -> Iterator[Violation]:
    """Two pod or service ranges overlap."""
    reported: set[str] = set()
    for (_, first, what), (path, second, word) in combinations(_usable_ranges(spec), 2):
        if first.version == second.version and first.overlaps(second) and path not in reported:
            reported.add(path)
            fix = range_fix(spec, path, word, second.version)
            yield Violation(
                path, f"the {word} range {second} overlaps the {what} range {first}", _another(spec, path, word, second.version), fix
            )


@spec_rule("address-in-range")
def addresses_are_outside_the_ranges(spec: ClusterSpec) -> Iterator[Violation]:
    """A node address, SSH address, API endpoint or upstream name server is inside a pod or service range. The hosts would route its packets into
    the cluster."""
    found: dict[str, list[tuple[str, Address, str]]] = {}
    cluster_ranges = _usable_ranges(spec)
    for at, address, what in addresses_in(spec):
        for path, cidr, _ in cluster_ranges:
            if address.version == cidr.version and address in cidr:
                found.setdefault(path, []).append((at, address, what))
    for path, cidr, word in cluster_ranges:
        if inside := found.get(path):
            at, address, what = inside[0]
            fix = range_fix(spec, path, word, cidr.version)
            if len(inside) == 1:
                hint = f"{_another(spec, path, word, cidr.version)}, or another address"
                yield Violation(at, f"the {what} {address} is inside the {word} range {cidr} ({path})", hint, fix)
                continue
            # the range is at fault, and not each of 500 hosts
            message = f"the {word} range {cidr} contains the {what} {address} ({at}) and {len(inside) - 1} more addresses"
            yield Violation(path, message, _another(spec, path, word, cidr.version), fix)


def _another(spec: ClusterSpec, path: str, word: str, version: int) -> str:
    free = free_range(spec, path, word, version)
    return f"use another {word} range" + (f", such as {free}" if free is not None else "")


def _usable_ranges(spec: ClusterSpec) -> list[tuple[str, Network, str]]:
    """Path, range and what it is for; rule unusable-range reports the others."""
    return [each for each in islice(ranges(spec), MOST_RANGES) if unusable(each[1]) is None]
