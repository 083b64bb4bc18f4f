"""Specs of one host in every stack mode, for the tests of pod networks."""

from __future__ import annotations

from typing import Any

from cluster.vocabulary.spec import ClusterSpec

V4, V6 = {"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}
S4, S6 = "10.96.0.0/16", "fd44:0:0:ffff::/112"
MODES: dict[str, dict[str, Any]] = {
    "ipv4": {"stack": "ipv4", "network": {"pods": [V4], "services": [S4]}},
    "dual-stack": {"stack": "dual-stack", "network": {"pods": [V4, V6], "services": [S4, S6]}},
    "dual-stack-ipv6-first": {"stack": "dual-stack", "primary_family": "ipv6", "network": {"pods": [V6, V4], "services": [S6, S4]}},
    "ipv6": {"stack": "ipv6", "network": {"pods": [V6], "services": [S6]}},
}


def spec_of(mode: str, **more: Any) -> ClusterSpec:
    """A cluster of one host in a stack mode."""
    host = {"name": "n1", "role": "control-plane", "ssh": {"address": "198.18.0.11"}}
    return ClusterSpec.model_validate({"name": "demo", "hosts": [host], **MODES[mode], **more})


def calico_spec_of(mode: str, cni: dict[str, Any] | None = None, **more: Any) -> ClusterSpec:
    """A cluster of one host with Calico in a stack mode."""
    return spec_of(mode, cni={"kind": "calico", **(cni or {})}, **more)
