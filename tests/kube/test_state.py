"""The state of the cluster from the API, as plain types."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from cluster.pod_networks.recognition import DIGEST_ANNOTATION, KIND_ANNOTATION
from cluster.vocabulary.cni_kinds import CniKind
from kube.apply import apply
from kube.client import Document, KubeApi
from kube.nodes import MANAGED
from kube.pod_networks import network_documents
from kube.state import node_state, read_state
from tests.cluster.pod_networks.specs import spec_of

POOLS = ("CustomResourceDefinition", "IPPool")
NODE: Document = {
    "metadata": {"name": "n1", "labels": {"a": "b"}, "annotations": {MANAGED: '{"labels": ["a"], "taints": ["busy:NoSchedule"]}'}},
    "spec": {"podCIDRs": ["fd44::/64", "10.244.0.0/24"], "taints": [{"key": "busy", "effect": "NoSchedule"}], "unschedulable": True},
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "fd66::11"},
            {"type": "Hostname", "address": "n1"},
            {"type": "InternalIP", "address": "198.18.0.11"},
        ],
        "conditions": [{"type": "Ready", "status": "False", "message": "cni plugin not initialized"}],
        "nodeInfo": {"kubeletVersion": "v1.36.3"},
    },
}


def test_a_node_becomes_plain_types() -> None:
    """Addresses keep their order, with the primary family first."""
    state = node_state(NODE)
    assert (state.name, state.ready, state.reason, state.unschedulable) == ("n1", False, "cni plugin not initialized", True)
    assert state.addresses == (ip_address("fd66::11"), ip_address("198.18.0.11"))
    assert state.pod_ranges == (ip_network("fd44::/64"), ip_network("10.244.0.0/24"))
    assert (state.taints[0].key, state.taints[0].effect.value, state.taints[0].value) == ("busy", "NoSchedule", "")
    assert (state.managed_labels, state.managed_taints) == (("a",), ("busy:NoSchedule",))


def test_a_newly_registered_node_is_read_too() -> None:
    """No status, no labels, no taints yet."""
    state = node_state({"metadata": {"name": "n1"}, "spec": {}})
    assert (state.ready, state.addresses, state.managed_labels) == (False, (), ())


@pytest.mark.bundle
def test_the_network_plug_in_is_recognised(api: KubeApi) -> None:
    """No plug-in, that of another tool, and our own. kubeadm's document is read too."""

    def daemon_set(name: str) -> Document:
        template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "a", "image": f"{name}:v3"}]}}
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
        return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "kube-system"}, "spec": spec}

    kubeadm: Document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kubeadm-config", "namespace": "kube-system"},
        "data": {"ClusterConfiguration": "networking:\n  podSubnet: fd44::/56\n"},
    }
    coredns: Document = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "data": {
            "Corefile": ".:53 {\n    errors\n    kubernetes cluster.example. in-addr.arpa {\n    }\n    forward . 192.0.2.53:53 [fd00::53]:53 {\n       max_concurrent 1000\n    }\n}\n"
        },
    }
    assert (read_state(api).cni, read_state(api).kubeadm) == (None, {})
    apply(api, [daemon_set("calico-node"), kubeadm, coredns])
    state = read_state(api)
    assert (state.cni, state.cni_detail, state.cni_digest) == (CniKind.NONE, "Calico (calico-node:v3)", "")
    assert state.kubeadm == {"networking": {"podSubnet": "fd44::/56"}}
    assert (state.kubelet, state.dns_upstreams) == ({}, ("192.0.2.53:53", "[fd00::53]:53"))
    assert state.dns_domain == "cluster.example"
    api.delete("/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node")
    apply(api, [daemon_set("kube-flannel-ds")])
    assert (read_state(api).cni, read_state(api).cni_digest) == (CniKind.FLANNEL, "")
    # what we applied says so itself, whatever it is called
    marked = daemon_set("anything")
    marked["metadata"]["annotations"] = {KIND_ANNOTATION: "manifests", DIGEST_ANNOTATION: "abc"}
    apply(api, [marked])
    assert (read_state(api).cni, read_state(api).cni_digest) == (CniKind.MANIFESTS, "abc")
    marked["metadata"]["annotations"] = {KIND_ANNOTATION: "calico"}
    pools = [document for document in network_documents(spec_of("dual-stack", cni={"kind": "calico"})) if document["kind"] in POOLS]
    apply(api, [marked, *pools])
    assert read_state(api).block_sizes == {ip_network("10.244.0.0/16"): 26, ip_network("fd44::/56"): 122}
