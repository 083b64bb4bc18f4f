"""Flannel's documents, one golden file per stack mode, valid for Kubernetes' own schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cluster.vocabulary.spec import ClusterSpec
from kube.pod_networks.flannel import flannel_documents, network_config

GOLDEN = Path(__file__).parent / "golden"

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


@pytest.mark.parametrize("mode", MODES)
def test_the_documents_are_those_of_the_golden_file(mode: str) -> None:
    """A change of the template shows here, in every mode; delete a golden file to have it written anew."""
    text = yaml.safe_dump_all(flannel_documents(spec_of(mode)), sort_keys=False, width=120)
    golden = GOLDEN / f"flannel-{mode}.yaml"
    if not golden.exists():
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{golden.name} was missing and is written: look at it and commit it")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", MODES)
def test_every_document_is_valid(mode: str) -> None:
    """Strictly, against the OpenAPI schema: a misspelt field is a fault."""
    for document in flannel_documents(spec_of(mode)):
        kubernetes_validate.validate(document, "1.36", strict=True)


@pytest.mark.parametrize(("mode", "families"), [("ipv4", [4]), ("dual-stack", [4, 6]), ("dual-stack-ipv6-first", [4, 6]), ("ipv6", [6])])
def test_only_the_families_in_use_are_on(mode: str, families: list[int]) -> None:
    """IPv4 is flannel's default and must be switched off where it is not wanted."""
    config = network_config(spec_of(mode))
    assert [config["EnableIPv4"], config["EnableIPv6"]] == [4 in families, 6 in families]
    assert config.get("Network") == ("10.244.0.0/16" if 4 in families else None)
    assert config.get("IPv6Network") == ("fd44::/56" if 6 in families else None)


def test_rules_are_written_by_the_program_that_kube_proxy_uses() -> None:
    """nftables by default, iptables when the file says so."""
    assert network_config(spec_of("ipv4"))["EnableNFTables"] is True
    assert network_config(spec_of("ipv4", kubeadm={"kube_proxy": {"mode": "iptables"}}))["EnableNFTables"] is False


def test_port_mtu_and_images_are_settings() -> None:
    """flannel takes the link's MTU, the file says the pods': 50 bytes lie between."""
    spec = spec_of("dual-stack", cni={"kind": "flannel", "vxlan_port": 4789, "mtu": 1400})
    assert network_config(spec)["Backend"] == {"Type": "vxlan", "Port": 4789, "MTU": 1450}
    named = {"version": "0.28.1", "images": {"flannel-cni-plugin": "mirror.example.org/plugin:v1"}}
    documents = flannel_documents(spec_of("dual-stack", cni=named))
    pod = documents[-1]["spec"]["template"]["spec"]
    images = {container["image"] for container in [*pod["containers"], *pod["initContainers"]]}
    assert images == {"ghcr.io/flannel-io/flannel:v0.28.1", "mirror.example.org/plugin:v1"}


def test_a_changed_configuration_restarts_the_daemons() -> None:
    """They read it once: the pod template carries its hash."""
    hashes = {
        json.dumps(flannel_documents(spec_of("ipv4", cni={"vxlan_port": port}))[-1]["spec"]["template"]["metadata"]["annotations"])
        for port in (8472, 4789)
    }
    assert len(hashes) == 2
