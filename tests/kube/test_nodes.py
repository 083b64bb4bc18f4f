"""Setting labels and taints, and finding a node by an address."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from ipaddress import ip_address

import pytest

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.labels import address_labels
from cluster.vocabulary.spec import Taint, TaintEffect
from kube.client import Document, KubeApi
from kube.nodes import MANAGED, expect_rejoin, find_node, label_node, managed_keys, node_patch

BUSY = Taint(key="busy", value="yes", effect=TaintEffect.NO_SCHEDULE)
FOREIGN = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


def node(labels: dict[str, str], taints: list[Document], ours: Document | None = None) -> Document:
    """A Node object, with the annotation of the managed keys."""
    annotations = {MANAGED: json.dumps(ours)} if ours is not None else {}
    return {"metadata": {"resourceVersion": "7", "labels": labels, "annotations": annotations}, "spec": {"taints": taints}}


def test_labels_and_taints_are_set_and_recorded() -> None:
    """The annotation has the managed keys. With the resource version, a concurrent change is a conflict."""
    patch, changes = node_patch(node({"theirs": "1"}, [FOREIGN]), {"zone": "a"}, [BUSY])
    assert changes == ("label zone=a", "taint busy=yes:NoSchedule")
    assert patch["metadata"]["resourceVersion"] == "7"
    assert patch["metadata"]["labels"] == {"zone": "a"}
    assert json.loads(patch["metadata"]["annotations"][MANAGED]) == {"labels": ["zone"], "taints": ["busy:NoSchedule"]}
    assert patch["spec"]["taints"] == [FOREIGN, {"key": "busy", "effect": "NoSchedule", "value": "yes"}]


def test_only_managed_keys_are_removed() -> None:
    """Keys that are no longer in the file are removed if sixstack set them. Other labels and taints stay."""
    held = node(
        {"zone": "a", "theirs": "1"},
        [FOREIGN, {"key": "busy", "value": "yes", "effect": "NoSchedule"}],
        {"labels": ["zone"], "taints": ["busy:NoSchedule"]},
    )
    patch, changes = node_patch(held, {}, [])
    assert changes == ("label zone removed", "taint busy:NoSchedule removed")
    assert patch["metadata"]["labels"] == {"zone": None}
    assert patch["spec"]["taints"] == [FOREIGN]


@pytest.mark.parametrize("text", ["", "x", "[]", "null", "7", '{"labels": "zone"}', '{"labels": [7]}', '{"taints": {}}', "[" * 100_000])
def test_a_damaged_note_of_managed_keys_names_none(text: str) -> None:
    """The kubelet of a node may write its annotations. One of them must not stop every run; the next change of labels replaces it."""
    damaged = node({"zone": "a"}, [])
    damaged["metadata"]["annotations"][MANAGED] = text
    assert managed_keys(damaged) == ((), ())
    assert json.loads(node_patch(damaged, {}, [])[0]["metadata"]["annotations"][MANAGED]) == {"labels": [], "taints": []}


def test_a_node_with_the_wanted_labels_needs_no_patch() -> None:
    """A second run changes nothing."""
    ours = {"labels": ["zone"], "taints": ["busy:NoSchedule"]}
    held = node({"zone": "a"}, [{"key": "busy", "value": "yes", "effect": "NoSchedule"}], ours)
    assert node_patch(held, {"zone": "a"}, [BUSY]) == ({}, ())


def test_an_existing_label_becomes_managed_without_a_change() -> None:
    """kubeadm registers a node with requested labels: the node does not change, but the label is recorded."""
    patch, changes = node_patch(node({"zone": "a"}, []), {"zone": "a"}, [])
    assert changes == ()
    assert json.loads(patch["metadata"]["annotations"][MANAGED]) == {"labels": ["zone"], "taints": []}


@pytest.mark.bundle
def test_labels_and_taints_converge_on_a_real_api_server(api: KubeApi) -> None:
    """They are set, unchanged, replaced and removed."""
    api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "converging", "labels": {"theirs": "1"}}})
    assert "label zone=a" in label_node(api, "converging", {"zone": "a"}, [BUSY])
    assert label_node(api, "converging", {"zone": "a"}, [BUSY]) == ()
    assert set(label_node(api, "converging", {"rack": "1"}, [])) == {"label rack=1", "label zone removed", "taint busy:NoSchedule removed"}
    labels = api.get("/api/v1/nodes/converging")["metadata"]["labels"]
    assert labels == {"theirs": "1", "rack": "1"}


@pytest.mark.bundle
def test_a_node_is_found_by_either_of_its_addresses(api: KubeApi) -> None:
    """An address without a node finds nothing."""
    api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "addressed"}})
    addresses = (ip_address("198.18.0.77"), ip_address("fd66::77"))
    label_node(api, "addressed", address_labels(addresses))
    assert [find_node(api, address) for address in addresses] == ["addressed", "addressed"]
    assert find_node(api, ip_address("fd66::7:7")) is None


@pytest.mark.bundle
def test_the_registration_of_a_node_is_awaited(api: KubeApi) -> None:
    """kubeadm join may end before the registration."""
    document: Document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "late"}}
    timer = threading.Timer(0.3, lambda: api.create("/api/v1/nodes", document))
    timer.start()
    assert label_node(api, "late", {"a": "b"}) == ("label a=b",)
    timer.join()


@pytest.mark.bundle
def test_a_node_that_does_not_appear_is_reported(api: KubeApi) -> None:
    """After the limit."""
    with pytest.raises(ClusterError, match="absent: kubelet has not registered the node"):
        label_node(api, "absent", {"a": "b"}, limit=timedelta(seconds=1))


@pytest.mark.bundle
def test_a_rejoining_node_is_set_to_not_ready(api: KubeApi) -> None:
    """kubeadm join refuses the name of a Ready node. A node that is not Ready, or does not exist, is not changed."""
    expect_rejoin(api, "never-joined")
    path = "/api/v1/nodes/rejoining"
    api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "rejoining"}})
    pressure = {"type": "DiskPressure", "status": "False", "reason": "test", "message": ""}
    api.merge(
        f"{path}/status", {"status": {"conditions": [pressure, {"type": "Ready", "status": "True", "reason": "test", "message": ""}]}}
    )
    expect_rejoin(api, "rejoining")
    states = {condition["type"]: condition["status"] for condition in api.get(path)["status"]["conditions"]}
    assert states == {"DiskPressure": "False", "Ready": "Unknown"}
    api.delete(path)
