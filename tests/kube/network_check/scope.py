"""Probe pods on two nodes of a dual-stack cluster, for tests that need no cluster."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from cluster.network.expected import ExpectedNetwork
from cluster.vocabulary.families import Family
from kube.client import Document
from kube.network_check.pairs import pairs_to_try
from kube.network_check.pods import Endpoint
from kube.network_check.probes import ProbeScope
from kube.network_check.services import ProbeService, ServiceKind, service_kinds
from kube.network_check.settings import Settings

BOTH = (Family.IPV4, Family.IPV6)
ADDRESSES = {"a": ("198.18.0.11", "fd66::11"), "b": ("198.18.0.12", "fd66::12")}
NODES: list[Document] = [
    {"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": text} for text in texts]}}
    for name, texts in ADDRESSES.items()
]
EXPECTED = ExpectedNetwork(BOTH, {}, nat={Family.IPV4: True, Family.IPV6: False})


def endpoint(node: str, host_network: bool) -> Endpoint:
    """A probe pod on a node."""
    texts = ADDRESSES[node] if host_network else (f"10.244.{ord(node)}.2", f"fd44:0:0:{ord(node)}::2")
    name, pod = (f"node {node}", f"host-{node}") if host_network else (f"pod on {node}", f"pod-{node}")
    return Endpoint(name, node, pod, host_network, tuple(ip_address(text) for text in texts))


ALL = [endpoint(node, host_network) for node in "ab" for host_network in (True, False)]
NODE_A, POD_A, NODE_B, POD_B = ALL


def service(kind: ServiceKind, number: int) -> ProbeService:
    """A service as created by a dual-stack API server."""
    families = kind.expected_families(BOTH)
    texts = {Family.IPV4: f"10.96.1.{number}", Family.IPV6: f"fd44::1:{number}"}
    addresses = () if kind.headless else tuple(ip_address(texts[family]) for family in families)
    return ProbeService(kind, families, addresses, 30000 + number if kind.node_port else 0)


def scope(**changes: Any) -> ProbeScope:
    """A scope with all pods and services; `changes` replace fields."""
    settings = changes.get("settings", Settings("image"))
    services = [service(kind, number) for number, kind in enumerate(service_kinds(BOTH, full=settings.full), start=1)]
    whole = ProbeScope(ALL, services, "ns", NODES, pairs_to_try(["a", "b"]), EXPECTED, settings)
    return replace(whole, **changes)
