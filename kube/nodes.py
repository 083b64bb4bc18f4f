"""Sets labels and taints of nodes, and finds a node by an address."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address

from cluster.vocabulary.errors import ApiUnavailable, ClusterError
from cluster.vocabulary.families import Address
from cluster.vocabulary.labels import selector_for
from cluster.vocabulary.spec import Taint
from kube.client import STRATEGIC_PATCH, Document, KubeApi, segment
from kube.conflicts import retry_conflicts
from kube.wait import NODES, wait_until

# the label and taint keys that sixstack set, as JSON: only these are ever removed
MANAGED = "node.sixstack.io/managed"


def label_node(
    api: KubeApi, name: str, labels: Mapping[str, str], taints: Sequence[Taint] = (), *, limit: timedelta = timedelta(seconds=60)
) -> tuple[str, ...]:
    """Set the labels and taints of a node. Returns one phrase for each change.

    Keys that sixstack set earlier and that are no longer in the spec are removed. Other keys stay. Raises ClusterError when the node does not
    appear within `limit`, because kubeadm join may end before kubelet has registered its node.
    """

    def change() -> tuple[str, ...] | None:
        node = api.find(f"{NODES}/{segment(name)}")
        if node is None:
            _wait_registered(api, name, limit)
            return None
        patch, changes = node_patch(node, labels, taints)
        if not patch:
            return ()
        api.merge(f"{NODES}/{segment(name)}", patch)
        return changes

    return retry_conflicts(change, ApiUnavailable(f"node {name} was changed by another program during each of 5 attempts to label it"))


def expect_rejoin(api: KubeApi, name: str) -> None:
    """Set a Node to not Ready: kubeadm join refuses the name of a Ready node, and the node of a reset machine stays Ready for a while."""
    path = f"{NODES}/{segment(name)}"
    node = api.find(path)
    conditions = node["status"].get("conditions", []) if node else []
    if any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions):
        unknown = {"type": "Ready", "status": "Unknown", "reason": "Rejoining", "message": "sixstack joins this machine again"}
        api.request("PATCH", f"{path}/status", body={"status": {"conditions": [unknown]}}, content_type=STRATEGIC_PATCH)


def node_patch(node: Document, labels: Mapping[str, str], taints: Sequence[Taint]) -> tuple[Document, tuple[str, ...]]:
    """The merge patch that sets these labels and taints on a Node object, and one phrase for each change; ({}, ()) without a change."""
    metadata = node["metadata"]
    current_labels: dict[str, str] = metadata.get("labels", {})
    current_taints: list[Document] = node["spec"].get("taints", [])
    managed_labels, managed_taints = managed_keys(node)
    wanted_taints = [_taint_document(taint) for taint in taints]
    changes: list[str] = []

    label_patch: dict[str, str | None] = {}
    for key in sorted(set(managed_labels) - set(labels)):
        if key in current_labels:
            label_patch[key] = None
            changes.append(f"label {key} removed")
    for key, value in sorted(labels.items()):
        if current_labels.get(key) != value:
            label_patch[key] = value
            changes.append(f"label {key}={value}")

    wanted_keys = {_taint_key(taint) for taint in wanted_taints}
    replaced = wanted_keys | set(managed_taints)
    kept = [taint for taint in current_taints if _taint_key(taint) not in replaced]
    for taint in current_taints:
        if _taint_key(taint) in replaced - wanted_keys:
            changes.append(f"taint {_taint_key(taint)} removed")
    for taint in wanted_taints:
        if not any(_same_taint(taint, current) for current in current_taints):
            changes.append(f"taint {taint['key']}={taint.get('value', '')}:{taint['effect']}")

    annotation = json.dumps({"labels": sorted(labels), "taints": sorted(wanted_keys)})
    if not changes and metadata.get("annotations", {}).get(MANAGED) == annotation:
        return {}, ()
    # with the resource version, a concurrent change (controllers set and remove taints) is a conflict and is not lost
    patch: Document = {
        "metadata": {"resourceVersion": metadata["resourceVersion"], "labels": label_patch, "annotations": {MANAGED: annotation}},
        "spec": {"taints": kept + wanted_taints},
    }
    return patch, tuple(changes)


def managed_keys(node: Document) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The keys of the labels, and KEY:EFFECT of the taints, that sixstack set on a Node. A note that another program damaged names none."""
    try:
        noted = json.loads(node["metadata"].get("annotations", {}).get(MANAGED, "{}"))
        labels, taints = noted.get("labels", []), noted.get("taints", [])
    except (ValueError, AttributeError, RecursionError):
        return (), ()
    if not isinstance(labels, list) or not isinstance(taints, list) or not all(isinstance(key, str) for key in (*labels, *taints)):
        return (), ()
    return tuple(labels), tuple(taints)


def find_node(api: KubeApi, address: Address) -> str | None:
    """The name of the node whose label has this address, or None."""
    matching = api.get(NODES, labelSelector=selector_for(address))["items"]
    names = [str(node["metadata"]["name"]) for node in matching]
    if len(names) > 1:
        raise ClusterError(
            f"several nodes have the label of {address}: {', '.join(sorted(names))}. Remove it from all nodes but the right one"
        )
    return names[0] if names else None


def internal_addresses(node: Document) -> tuple[Address, ...]:
    """The InternalIPs of a Node object, in the order of its status."""
    entries: Iterable[Document] = node.get("status", {}).get("addresses", [])
    return tuple(ip_address(entry["address"]) for entry in entries if entry["type"] == "InternalIP")


def _wait_registered(api: KubeApi, name: str, limit: timedelta) -> None:
    def pending(nodes: dict[str, Document]) -> dict[str, str]:
        return {} if name in nodes else {name: "kubelet has not registered the node"}

    wait_until(api, NODES, pending, what="nodes joined", limit=limit, query={"fieldSelector": f"metadata.name={name}"})


def _taint_document(taint: Taint) -> Document:
    document: Document = {"key": taint.key, "effect": taint.effect.value}
    return {**document, "value": taint.value} if taint.value else document


def _taint_key(taint: Document) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _same_taint(left: Document, right: Document) -> bool:
    return _taint_key(left) == _taint_key(right) and left.get("value", "") == right.get("value", "")
