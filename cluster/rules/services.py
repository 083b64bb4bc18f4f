"""Name servers of pods."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.rules.families import families_meant
from cluster.rules.registry import spec_rule
from cluster.vocabulary.families import Address, family_names, family_of
from cluster.vocabulary.fixes import remove
from cluster.vocabulary.partial import readable
from cluster.vocabulary.problems import Violation
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.special_ranges import unusable


def unusable_name_server(address: Address) -> str | None:
    """The kind of an address at which no pod can reach a name server; None when a pod can. Clouds have IPv4 name servers that are link-local."""
    kind = unusable(address)
    return None if kind == "link-local" and address.version == 4 else kind


@spec_rule("unusable-name-server")
def name_servers_are_usable(spec: ClusterSpec) -> Iterator[Violation]:
    """Pods cannot reach an upstream name server: a loopback address is CoreDNS itself, and a link-local IPv6 address has no zone in a pod (kind#3114)."""
    for index, address in readable(spec.network.dns_upstreams):
        if (kind := unusable_name_server(address)) is not None:
            yield Violation(
                f"network.dns_upstreams[{index}]",
                f"{address} is {kind}, which no pod can reach",
                "use an address that pods can reach",
                remove(f"network.dns_upstreams[{index}]"),
            )


@spec_rule("name-server-family")
def name_servers_are_of_a_family_in_use(spec: ClusterSpec) -> Iterator[Violation]:
    """An upstream name server has a family that pods do not have (coredns#2087)."""
    meant = families_meant(spec)
    for index, address in readable(spec.network.dns_upstreams):
        if family_of(address) not in meant:
            message = f"{address} does not have a family in use ({family_names(spec.families)}), so no pod can reach it"
            at = f"network.dns_upstreams[{index}]"
            yield Violation(at, message, "use a name server of a family in use", remove(at))
