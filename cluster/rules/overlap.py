"""Overlaps between pod ranges, service ranges, node addresses, SSH addresses, the API endpoint and name servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import combinations, islice

from cluster.rules.addresses import ranges
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import Address
from cluster.vocabulary.hostport import API_PORT, split_host_port
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import ClusterSpec, Endpoint, SpecModel, parse_address

# a good file has four; the rules about families report the others
_MOST_RANGES = 16


@spec_rule("ranges-overlap")
def ranges_do_not_overlap(spec: ClusterSpec) -> Iterator[Violation]:
    """Two pod or service ranges overlap."""
    for (_, first, what), (path, second, word) in combinations(islice(ranges(spec), _MOST_RANGES), 2):
        if first.version == second.version and first.overlaps(second):
            yield Violation(path, f"the {word} range {second} overlaps the {what} range {first}", "use ranges that do not overlap")


@spec_rule("address-in-range")
def addresses_are_outside_the_ranges(spec: ClusterSpec) -> Iterator[Violation]:
    """A node address, SSH address, API endpoint or upstream name server is inside a pod or service range. The hosts would route its packets into
    the cluster."""
    cluster_ranges = list(islice(ranges(spec), _MOST_RANGES))
    for at, address, what in _addresses(spec):
        for path, cidr, word in cluster_ranges:
            if address.version == cidr.version and address in cidr:
                yield Violation(
                    at, f"the {what} {address} is inside the {word} range {cidr} ({path})", f"use another {word} range, or another address"
                )


def _addresses(spec: ClusterSpec) -> Iterator[tuple[str, Address, str]]:
    for index, host in enumerate(spec.hosts):
        own = host.addresses if host.has("addresses") else ()
        for position, address in readable(own):
            yield f"hosts[{index}].addresses[{position}]", address, "node address"
        if not host.has("ssh"):
            continue
        yield from (
            entry
            for entry in _literal(host.ssh, f"hosts[{index}].ssh", "SSH address")
            if entry[1] not in tuple(address for _, address in readable(own))
        )
        if host.ssh.has("jump") and host.ssh.jump is not None:
            yield from _literal(host.ssh.jump, f"hosts[{index}].ssh.jump", "jump host address")
    if _has(spec, "control_plane", "endpoint") and spec.control_plane.endpoint is not None:
        # a name, or a fault that rule malformed-endpoint reports
        with suppress(ValueError):
            yield "control_plane.endpoint", parse_address(split_host_port(spec.control_plane.endpoint, API_PORT)[0]), "API endpoint"
    if _has(spec, "network", "dns_upstreams"):
        for index, address in readable(spec.network.dns_upstreams):
            yield f"network.dns_upstreams[{index}]", address, "name server"


def _literal(endpoint: Endpoint, path: str, what: str) -> Iterator[tuple[str, Address, str]]:
    if endpoint.has("address"):
        try:
            yield f"{path}.address", parse_address(endpoint.address), what
        except ValueError:
            return


def _has(spec: ClusterSpec, part: str, field: str) -> bool:
    section = getattr(spec, part) if spec.has(part) else None
    return isinstance(section, SpecModel) and section.has(field)
