"""Calico's documents, one golden file per stack mode, valid for Kubernetes' own schema, and the bundle's images in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bundle.layout import image_references
from cluster.vocabulary.releases import DEFAULT_RELEASE
from cluster.vocabulary.spec import ClusterSpec
from kube.client import Document
from kube.pod_networks.calico import calico_documents, cni_config, environment, images, pools
from tests.kube.pod_networks.test_flannel import MODES
from tests.kube.pod_networks.test_flannel import spec_of as any_spec_of

GOLDEN = Path(__file__).parent / "golden"


def spec_of(mode: str, cni: dict[str, Any] | None = None, **more: Any) -> ClusterSpec:
    """A cluster of one host with Calico in a stack mode."""
    return any_spec_of(mode, cni={"kind": "calico", **(cni or {})}, **more)


def shown(documents: list[Document]) -> list[Document]:
    """Without definitions and rights, which are the same in every mode: those of the first mode stand for all."""
    return [document for document in documents if document["kind"] in ("IPPool", "DaemonSet", "Deployment")]


@pytest.mark.parametrize("mode", MODES)
def test_the_documents_are_those_of_the_golden_file(mode: str) -> None:
    """A change of the templates shows here, in every mode; delete a golden file to have it written anew."""
    documents = calico_documents(spec_of(mode))
    text = yaml.safe_dump_all(documents if mode == "ipv4" else shown(documents), sort_keys=False, width=120)
    golden = GOLDEN / f"calico-{mode}.yaml"
    if not golden.exists():
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{golden.name} was missing and is written: look at it and commit it")
    assert text == golden.read_text(encoding="utf-8")


def test_definitions_and_rights_are_the_same_in_every_mode() -> None:
    """So one golden file shows them."""
    first, *others = ([document for document in calico_documents(spec_of(mode)) if document not in shown([document])] for mode in MODES)
    assert all(other == first for other in others)


@pytest.mark.parametrize("mode", MODES)
def test_every_document_is_valid(mode: str) -> None:
    """Strictly, against the OpenAPI schema, pools excepted: a misspelt field is a fault."""
    for document in calico_documents(spec_of(mode)):
        if document["kind"] != "IPPool":
            kubernetes_validate.validate(document, "1.36", strict=True)


@pytest.mark.parametrize(
    ("mode", "cidrs", "ip", "ip6"),
    [
        ("ipv4", ["10.244.0.0/16"], "autodetect", "none"),
        ("dual-stack", ["10.244.0.0/16", "fd44::/56"], "autodetect", "autodetect"),
        ("dual-stack-ipv6-first", ["fd44::/56", "10.244.0.0/16"], "autodetect", "autodetect"),
        ("ipv6", ["fd44::/56"], "none", "autodetect"),
    ],
)
def test_only_the_families_in_use_are_on(mode: str, cidrs: list[str], ip: str, ip6: str) -> None:
    """A pool a family, addresses of no other; without IPv4 there is no router id to take from it."""
    spec = spec_of(mode)
    values = environment(spec)
    assert [pool["cidr"] for pool in pools(spec)] == cidrs
    assert (values["IP"], values["IP6"], values["FELIX_IPV6SUPPORT"]) == (ip, ip6, str(ip6 != "none").lower())
    assert values.get("CALICO_ROUTER_ID") == ("hash" if ip == "none" else None)
    ipam = cni_config(spec)["plugins"][0]["ipam"]
    assert (ipam["assign_ipv4"], ipam["assign_ipv6"]) == (str(ip != "none").lower(), str(ip6 != "none").lower())


def test_pools_are_settings() -> None:
    """Block size, NAT and encapsulation of each family; without tunnels Felix itself makes the routes that BGP would."""
    cni = {"pools": {"ipv4": {"block_size": 24, "encapsulation": "CrossSubnet"}, "ipv6": {"nat_outgoing": False, "encapsulation": "Never"}}}
    spec = spec_of("dual-stack", cni)
    assert [(pool["block_size"], pool["nat_outgoing"], pool["encapsulation"]) for pool in pools(spec)] == [
        (24, True, "CrossSubnet"),
        (122, False, "Never"),
    ]
    assert environment(spec)["FELIX_PROGRAMCLUSTERROUTES"] == "Enabled"
    assert "FELIX_PROGRAMCLUSTERROUTES" not in environment(spec_of("dual-stack"))


def test_port_and_mtu_are_settings() -> None:
    """Pods' MTU as the file says it, for both tunnels; without it felix looks, and pods wait for what it finds."""
    values = environment(spec_of("dual-stack", {"vxlan_port": 8472, "mtu": 1400}))
    assert (values["FELIX_VXLANPORT"], values["FELIX_VXLANMTU"], values["FELIX_VXLANMTUV6"]) == ("8472", "1400", "1400")
    plugin = cni_config(spec_of("dual-stack", {"mtu": 1400}))["plugins"][0]
    assert (plugin["mtu"], plugin["require_mtu_file"]) == (1400, False)
    found = environment(spec_of("dual-stack"))
    assert found["FELIX_VXLANPORT"] == "4789"
    assert "FELIX_VXLANMTU" not in found
    plugin = cni_config(spec_of("dual-stack"))["plugins"][0]
    assert (plugin["mtu"], plugin["require_mtu_file"]) == (0, True)


@pytest.mark.parametrize(
    ("link", "counts"), [("eth0", True), ("enp1s0", True), ("host0", True), ("bond0", True), ("cni0", False), ("vxlan.calico", False)]
)
def test_the_mtu_is_that_of_real_links(link: str, counts: bool) -> None:
    """Of a container's host0 too, and of no link of a pod network's own."""
    assert bool(re.search(environment(spec_of("ipv4"))["FELIX_MTUIFACEPATTERN"], link)) == counts


def test_the_links_that_the_file_names_are_the_ones_that_count() -> None:
    """When it names one for every host."""
    host = {"name": "n1", "role": "control-plane", "ssh": {"address": "198.18.0.11"}, "interface": "br-ex.5"}
    assert environment(spec_of("ipv4", hosts=[host]))["FELIX_MTUIFACEPATTERN"] == r"^(br\-ex\.5)$"


def test_rules_are_written_by_the_program_that_kube_proxy_uses() -> None:
    """nftables by default, iptables when the file says so."""
    assert environment(spec_of("ipv4"))["FELIX_NFTABLESMODE"] == "Enabled"
    assert environment(spec_of("ipv4", kubeadm={"kube_proxy": {"mode": "iptables"}}))["FELIX_NFTABLESMODE"] == "Disabled"


def test_images_are_those_of_the_bundle_unless_the_file_names_others() -> None:
    """An image that the bundle has under another name would be pulled."""
    held = image_references(DEFAULT_RELEASE)
    assert images(spec_of("ipv4")) == {name: held[name] for name in held if name.startswith("calico")}
    found = images(spec_of("ipv4", {"version": "3.31.2", "images": {"calico-cni": "mirror.example.org/calico/cni:v1"}}))
    assert found == {
        "calico-cni": "mirror.example.org/calico/cni:v1",
        "calico-kube-controllers": "quay.io/calico/kube-controllers:v3.31.2",
        "calico-node": "quay.io/calico/node:v3.31.2",
    }
    used = json.dumps(calico_documents(spec_of("ipv4")))
    assert all(reference in used for reference in images(spec_of("ipv4")).values())
