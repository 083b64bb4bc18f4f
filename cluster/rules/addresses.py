"""Allowed node addresses and ranges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Network

from cluster.rules.registry import item_rule, spec_rule
from cluster.vocabulary.families import Address, Network
from cluster.vocabulary.fixes import remove, replace_by
from cluster.vocabulary.hostport import API_PORT, split_host_port
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Severity, Violation
from cluster.vocabulary.spec import ClusterSpec, Endpoint, Host, SpecModel, parse_address
from cluster.vocabulary.special_ranges import unusable

SITE_LOCAL = IPv6Network("fec0::/10")


def ranges(spec: ClusterSpec) -> Iterator[tuple[str, Network, str]]:
    """Path, range and kind (`pod` or `service`) of every pod and service range that could be read."""
    if spec.network.has("pods"):
        for index, pods in readable(spec.network.pods):
            if pods.has("cidr"):
                yield f"network.pods[{index}].cidr", pods.cidr, "pod"
    if spec.network.has("services"):
        for index, cidr in readable(spec.network.services):
            yield f"network.services[{index}]", cidr, "service"


def addresses_in(spec: ClusterSpec) -> Iterator[tuple[str, Address, str]]:
    """Path, address and kind of every address that could be read: of nodes, SSH, jump hosts, API endpoint and name servers."""
    for index, host in readable(spec.hosts) if spec.has("hosts") else ():
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


@item_rule("unusable-address", "hosts")
def node_addresses_are_usable(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A node address is loopback, multicast, link-local, unspecified or IPv4-mapped (kubernetes#130409)."""
    for index, address in readable(host.addresses):
        if (kind := unusable(address)) is not None:
            plain = address.ipv4_mapped if isinstance(address, IPv6Address) else None
            hint = f"write {plain}" if plain is not None else f"use an address of {_host_name(host)} that the other hosts can reach"
            fix = replace_by(str(plain), f"{at}.addresses[{index}]") if plain is not None else remove(f"{at}.addresses")
            yield Violation(f"{at}.addresses[{index}]", f"{address} is {kind} and cannot be a node address", hint, fix)


@item_rule("site-local", "hosts", Severity.WARNING)
def node_addresses_are_not_site_local(_spec: ClusterSpec, host: Host, at: str) -> Iterator[Violation]:
    """A range or address is inside fec0::/10, which RFC 3879 deprecates and some software treats as special."""
    for index, address in readable(host.addresses):
        if address in SITE_LOCAL:
            yield Violation(
                f"{at}.addresses[{index}]",
                f"{address} is site-local, which RFC 3879 deprecates",
                "use an address from fd00::/8 (RFC 4193)",
                remove(f"{at}.addresses"),
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
                yield Violation(
                    path, f"{address} is also at {owners[address]}", "give each host its own addresses", remove(f"hosts[{index}].addresses")
                )
            owners.setdefault(address, path)


def _host_name(host: Host) -> str:
    return host.name if host.has("name") else "the host"
