"""The YAML templates with values that YAML reads as another type, or as the end of a line, when they are not quoted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import templates
from kube.pod_networks.documents import rendered
from templates import as_json, render

FOLDER = Path(templates.__file__).parent
AWKWARD = (
    *("null", "~", "true", "no", "yes", "off", "1234", "0x10", "0o17", "1e3", "1_000", "1:30", ".5", ".inf", "2026-11-25", "=", "<<"),
    *("", " ", "a: b", "- a", "a #b", "{", "[", "*a", "&a", "!a", "%a", "@a", "`a", "'a'", '"a"', "a\\n", "a\nb", "a\tb"),
    *("\x7f", "\x85", "\xa0", "\u2028", "\ufeff", "\ufffe", "ü", "€", "😀"),
)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.yaml.j2")), ids=lambda path: path.name)
def test_every_value_of_a_yaml_template_is_quoted(path: Path) -> None:
    """By the filter `json`, as the last one: a filter after it would act on the quotes."""
    expressions = re.findall(r"\{\{(.*?)\}\}", path.read_text(), re.DOTALL)
    assert [found for found in expressions if not found.rstrip().endswith("| json")] == []


@pytest.mark.parametrize("value", AWKWARD, ids=repr)
def test_a_string_is_the_same_string_for_yaml_and_json(value: str) -> None:
    """As a value, as a key and inside a list."""
    document = {"key": value, value: "value", "list": [value]}
    text = as_json(document)
    assert yaml.safe_load(text) == document
    assert rendered(text) == [document]
    assert yaml.safe_load(f"name: {as_json(value)}") == {"name": value}


@pytest.mark.parametrize("value", AWKWARD, ids=repr)
def test_the_probe_pods_have_the_given_names(value: str) -> None:
    """A node may be named 1234, which is a valid name for Kubernetes."""
    pods = [{"name": value, "node": value, "host_network": host_network} for host_network in (True, False)]
    text = render("probe/probe.yaml.j2", namespace=value, port=29417, pods=pods, image=value, serves="sixstack.io/serves")
    account, *found = yaml.safe_load_all(text)
    assert account["metadata"] == {"name": "probe", "namespace": value}
    assert [pod["metadata"]["name"] for pod in found] == [value, value]
    assert [pod["metadata"]["namespace"] for pod in found] == [value, value]
    assert [pod["metadata"]["labels"]["sixstack.io/serves"] for pod in found] == ["no", "yes"]
    assert [pod["spec"]["nodeName"] for pod in found] == [value, value]
    assert [pod["spec"]["containers"][0]["image"] for pod in found] == [value, value]
    asked = f"--http-override=/echo?msg={value}"
    assert {tuple(pod["spec"]["containers"][0]["args"]) for pod in found} == {("netexec", "--http-port=29417", "--udp-port=29417", asked)}
    assert found[0]["spec"]["containers"][0]["ports"] == [{"containerPort": 29417}]


@pytest.mark.parametrize("value", AWKWARD, ids=repr)
def test_the_documents_of_kubeadm_have_the_given_values(value: str) -> None:
    """kubeadm refuses a number where a string belongs."""
    document: dict[str, Any] = {"apiVersion": value, "kind": value, "clusterName": value, "nodeRegistration": {"name": value}, value: value}
    assert list(yaml.safe_load_all(render("kubeadm/init.yaml.j2", documents=[document, document]))) == [document, document]
    assert list(yaml.safe_load_all(render("kubeadm/join.yaml.j2", document=document))) == [document]


@pytest.mark.parametrize("value", AWKWARD, ids=repr)
def test_the_objects_of_flannel_have_the_given_values(value: str) -> None:
    """Images, the configuration and the address of the health check."""
    given = {"flannel": value, "flannel-cni-plugin": value}
    text = render("cni/flannel.yaml.j2", network_config=value, config_sha256=value, images=given, loopback=value)
    found = {document["kind"]: document for document in rendered(text)}
    pod = found["DaemonSet"]["spec"]["template"]
    assert found["ConfigMap"]["data"]["net-conf.json"] == value
    assert pod["metadata"]["annotations"] == {"node.sixstack.io/config-sha256": value}
    assert [container["image"] for container in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])] == [value, value]
    assert f"--healthz-ip={value}" in pod["spec"]["containers"][0]["args"]
    assert pod["spec"]["containers"][0]["readinessProbe"]["httpGet"]["host"] == value


@pytest.mark.parametrize("value", AWKWARD, ids=repr)
def test_the_objects_of_calico_have_the_given_values(value: str) -> None:
    """Pools, environment and images; the definitions have Calico's names only."""
    text = render(
        "cni/calico.yaml.j2",
        definitions=[{"plural": value, "kind": "IPPool", "scope": "Cluster"}],
        watched=[value],
        pools=[{"name": value, "cidr": value, "block_size": 26, "encapsulation": value, "nat_outgoing": True}],
        images={"calico-cni": value, "calico-node": value, "calico-kube-controllers": value},
        cni_config=value,
        reference_plugins=[value],
        environment={value: value},
        loopback=value,
    )
    found = {(document["kind"], document["metadata"]["name"]): document for document in rendered(text)}
    pool = found["IPPool", value]["spec"]
    assert (pool["cidr"], pool["blockSize"], pool["vxlanMode"], pool["natOutgoing"]) == (value, 26, value, True)
    names = found["CustomResourceDefinition", f"{value}.crd.projectcalico.org"]["spec"]["names"]
    assert names == {"kind": "IPPool", "listKind": "IPPoolList", "plural": value, "singular": "ippool"}
    pod = found["DaemonSet", "calico-node"]["spec"]["template"]["spec"]
    assert [container["image"] for container in (*pod["initContainers"], *pod["containers"])] == [value, value]
    assert {"name": "CNI_NETWORK_CONFIG", "value": value} in pod["initContainers"][0]["env"]
    assert {"name": value, "value": value} in pod["containers"][0]["env"]
    assert pod["containers"][0]["livenessProbe"]["httpGet"]["host"] == value
    controllers = found["Deployment", "calico-kube-controllers"]["spec"]["template"]["spec"]["containers"][0]
    assert controllers["image"] == value
