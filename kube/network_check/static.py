"""Checks that need no packet: the addresses that nodes and pods have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.families import Address, Family, family_of
from cluster.network_report import Check, CheckKind, ExpectedNetwork, Layer, family_name
from kube.client import Document
from kube.network_check.pods import Endpoint
from kube.nodes import internal_addresses


def check_nodes(nodes: Sequence[Document], expected: ExpectedNetwork) -> list[Check]:
    """Each node is there, and its InternalIPs are the expected ones in the expected order."""
    found = {node["metadata"]["name"]: internal_addresses(node) for node in nodes}
    checks = []
    for name in [*expected.nodes, *(name for name in found if name not in expected.nodes)]:
        if name not in found:
            detail = "the node has not joined the cluster"
        else:
            wanted = expected.nodes.get(name, ())
            detail = _differs(found[name], wanted) if wanted else _wrong_families(found[name], expected.families)
        checks.append(_about_addresses(CheckKind.NODE_ADDRESSES, f"node {name}", Layer.NODE, detail))
    return checks


def check_pods(endpoints: Iterable[Endpoint], families: tuple[Family, ...]) -> list[Check]:
    """Each probe pod has one address per family, primary first."""
    return [
        _about_addresses(
            CheckKind.POD_ADDRESSES,
            endpoint.name,
            Layer.NODE if endpoint.host_network else Layer.POD_NETWORK,
            _wrong_families(endpoint.addresses, families),
        )
        for endpoint in endpoints
    ]


def _about_addresses(kind: CheckKind, name: str, layer: Layer, detail: str) -> Check:
    return Check(kind, None, name, "", layer, not detail, detail)


def _differs(found: tuple[Address, ...], wanted: tuple[Address, ...]) -> str:
    return "" if found == wanted else f"it has {_listed(found)}, asked for: {_listed(wanted)}"


def _wrong_families(found: tuple[Address, ...], families: tuple[Family, ...]) -> str:
    if tuple(family_of(address) for address in found) == families:
        return ""
    return f"it has {_listed(found)}, asked for: {' then '.join(family_name(family) for family in families)}"


def _listed(addresses: tuple[Address, ...]) -> str:
    return ", ".join(str(address) for address in addresses) or "no address"
