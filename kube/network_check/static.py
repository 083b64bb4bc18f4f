"""Checks without packets: the addresses, labels and ranges of nodes and pods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from cluster.network.checks import Check, CheckKind, Layer
from cluster.network.expected import ExpectedNetwork
from cluster.vocabulary.families import Address, Family, Network, family_name, family_of
from kube.client import Document
from kube.network_check.pods import Endpoint
from kube.nodes import internal_addresses


def check_nodes(nodes: Sequence[Document], expected: ExpectedNetwork) -> list[Check]:
    """Check that each node exists and has the expected InternalIPs, and pod ranges of the expected families in the expected order."""
    found = {str(node["metadata"]["name"]): node for node in nodes}
    checks = []
    for name in [*expected.nodes, *(name for name in found if name not in expected.nodes)]:
        if name not in found:
            checks.append(_node_check(CheckKind.NODE_ADDRESSES, name, "the node has not joined the cluster"))
            continue
        addresses, wanted = internal_addresses(found[name]), expected.nodes.get(name, ())
        # without expected addresses, a node may have several addresses of one family, and the first of each family counts
        first = tuple({family_of(address): address for address in reversed(addresses)}.values())[::-1]
        detail = _address_fault(addresses, wanted) if wanted else _families_fault(first, expected.families)
        checks.append(_node_check(CheckKind.NODE_ADDRESSES, name, detail))
        ranges = _ranges(found[name])
        if ranges:  # a plug-in with its own address pools needs no pod ranges
            checks.append(_node_check(CheckKind.POD_RANGES, name, _families_fault(ranges, expected.families)))
    return checks


def check_labels(nodes: Sequence[Document], expected: ExpectedNetwork) -> list[Check]:
    """Check that each node has the expected labels, with which an address finds its node."""
    checks = []
    for node in nodes:
        name = str(node["metadata"]["name"])
        if name not in expected.labels:
            continue
        labels = node["metadata"].get("labels", {})
        wrong = [
            f"label {key} is {labels[key]!r}, expected {value!r}" if key in labels else f"label {key} is missing"
            for key, value in sorted(expected.labels[name].items())
            if labels.get(key) != value
        ]
        checks.append(Check(CheckKind.NODE_LABELS, None, f"node {name}", "", Layer.LABELS, not wrong, "; ".join(wrong), source_node=name))
    return checks


def check_pods(endpoints: Iterable[Endpoint], nodes: Sequence[Document], expected: ExpectedNetwork) -> list[Check]:
    """Check that each probe pod has one address of each family, primary first: that of its node with hostNetwork, else one in a pod range."""
    of_node = {str(node["metadata"]["name"]): internal_addresses(node) for node in nodes}
    checks = []
    for endpoint in endpoints:
        detail = _families_fault(endpoint.addresses, expected.families)
        if not detail and endpoint.host_network:
            strange = [address for address in endpoint.addresses if address not in of_node[endpoint.node]]
            detail = f"{_join(strange)} is not an address of its node, which has {_join(of_node[endpoint.node])}" if strange else ""
        elif not detail and expected.pod_ranges:
            strays = [address for address in endpoint.addresses if not any(address in pods for pods in expected.pod_ranges)]
            detail = f"{_join(strays)} is outside the pod ranges {_join(expected.pod_ranges)}" if strays else ""
        checks.append(
            Check(
                CheckKind.POD_ADDRESSES,
                None,
                endpoint.name,
                "",
                Layer.NODE if endpoint.host_network else Layer.POD_NETWORK,
                not detail,
                detail,
                source_node=endpoint.node,
            )
        )
    return checks


def _node_check(kind: CheckKind, name: str, detail: str) -> Check:
    return Check(kind, None, f"node {name}", "", Layer.NODE, not detail, detail, source_node=name)


def _ranges(node: Document) -> tuple[Network, ...]:
    return tuple(ip_network(cidr) for cidr in node.get("spec", {}).get("podCIDRs", []))


def _address_fault(found: tuple[Address, ...], wanted: tuple[Address, ...]) -> str:
    return "" if found == wanted else f"has {_join(found)}, expected {_join(wanted)}"


def _families_fault(found: Sequence[Address | Network], families: tuple[Family, ...]) -> str:
    if tuple(family_of(item) for item in found) == families:
        return ""
    return f"has {_join(found)}, expected {' then '.join(family_name(family) for family in families)}"


def _join(found: Sequence[Address | Network]) -> str:
    return ", ".join(map(str, found)) or "none"
