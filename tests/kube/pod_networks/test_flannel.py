"""Flannel's documents, one golden file per stack mode, valid for Kubernetes' own schema."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from cluster.pod_networks.flannel import Flannel
from kube.pod_networks import network_documents
from tests.cluster.pod_networks.specs import MODES, spec_of

GOLDEN = Path(__file__).parent / "golden"
FLANNEL = Flannel()


@pytest.mark.parametrize("mode", MODES)
def test_the_documents_are_those_of_the_golden_file(mode: str) -> None:
    """The documents equal the golden files. To update a golden file, delete it and run the test."""
    text = yaml.safe_dump_all(network_documents(spec_of(mode)), sort_keys=False, width=120)
    golden = GOLDEN / f"flannel-{mode}.yaml"
    if not golden.exists():
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{golden.name} was missing and is written: look at it and commit it")
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", MODES)
def test_every_document_is_valid(mode: str) -> None:
    """Strictly, against the OpenAPI schema: a misspelt field is a fault."""
    for document in network_documents(spec_of(mode)):
        kubernetes_validate.validate(document, "1.36", strict=True)


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ("198.18.0.11,fd66::11", ["--iface=198.18.0.11", "--public-ipv6=fd66::11"]),
        ("fd66::11,198.18.0.11", ["--iface=198.18.0.11", "--public-ipv6=fd66::11"]),
        ("198.18.0.11", ["--iface=198.18.0.11"]),
        ("fd66::11", ["--iface=fd66::11", "--public-ipv6=fd66::11"]),
    ],
)
@pytest.mark.parametrize("mode", ["dual-stack", "ipv6"])
def test_flanneld_gets_both_addresses_of_the_node_with_a_stand_in_for_flanneld(mode: str, addresses: str, expected: list[str]) -> None:
    """status.hostIPs in either order (flannel-io/flannel#2081); the other arguments follow. printf stands in for flanneld."""
    container = network_documents(spec_of(mode))[-1]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "NODE_IPS", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIPs"}}} in container["env"]
    script, *arguments = container["args"]
    assert script.count("/opt/bin/flanneld") == 1
    # what waits for subnet.env would wait for ever
    script = script.replace("until [ -s /run/flannel/subnet.env ]", "until true").replace("/opt/bin/install-conf", "true")
    command = [*container["command"], script.replace("exec /opt/bin/flanneld", "printf '%s\\n'"), *arguments]
    printed = subprocess.run(command, env={"NODE_IPS": addresses, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    loopback = "::1" if mode == "ipv6" else "127.0.0.1"
    assert printed.stdout.split() == ["--ip-masq", "--kube-subnet-mgr", *expected, f"--healthz-ip={loopback}", "--healthz-port=8081"]


def test_port_mtu_and_images_are_settings() -> None:
    """flannel takes the link's MTU, the file says the pods': 50 bytes lie between."""
    spec = spec_of("dual-stack", cni={"kind": "flannel", "vxlan_port": 4789, "mtu": 1400})
    assert FLANNEL.network_config(spec)["Backend"] == {"Type": "vxlan", "Port": 4789, "MTU": 1450}
    named = {"version": "0.28.1", "images": {"flannel-cni-plugin": "mirror.example.org/plugin:v1"}}
    documents = network_documents(spec_of("dual-stack", cni=named))
    pod = documents[-1]["spec"]["template"]["spec"]
    images = {container["image"] for container in [*pod["containers"], *pod["initContainers"]]}
    assert images == {"ghcr.io/flannel-io/flannel:v0.28.1", "mirror.example.org/plugin:v1"}


def test_a_changed_configuration_restarts_the_daemons() -> None:
    """They read it once: the pod template carries its hash."""
    hashes = {
        json.dumps(network_documents(spec_of("ipv4", cni={"vxlan_port": port}))[-1]["spec"]["template"]["metadata"]["annotations"])
        for port in (8472, 4789)
    }
    assert len(hashes) == 2
