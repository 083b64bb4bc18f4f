"""The workload that a retest with a restore puts into the cluster: its objects, what is changed after the backup, and what must be there again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.problems import Problem

NAMESPACE = "sixstack-retest"
NAME = "workload"  # of the Deployment and its Service
REPLICAS = 2
CHANGED, DELETED, CREATED = "changed-after-the-backup", "deleted-after-the-backup", "created-after-the-backup"  # ConfigMaps
CODE = "restore-differs"
# Services of Kubernetes itself whose addresses every pod knows
SYSTEM_SERVICES = (("default", "kubernetes"), ("kube-system", "kube-dns"))
HINT = "See the runs of the parts backup and restore. `--keep-failed` keeps the cluster for inspection."
_LONGEST_VALUE = 200

Document = dict[str, Any]
State = Mapping[str, Any]  # what must be as at the backup: plain data by its name


class RestoreDiffers(ClusterError):
    """What was in the cluster at the backup is not there after the restore. The message lists every difference."""


def workload(image: str) -> list[Document]:
    """The objects that are in the backup: pods with a Service of each family, and ConfigMaps."""
    labels = {"app": NAME}
    pod = {
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "pause", "image": image, "imagePullPolicy": "IfNotPresent", "args": ["pause"]}],
    }
    deployment = {"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    service = {"selector": labels, "ports": [{"port": 80, "protocol": "TCP"}], "ipFamilyPolicy": "PreferDualStack"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _named(NAME), "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": _named(NAME), "spec": service},
        config_map(CHANGED, "before"),
        config_map(DELETED, "before"),
    ]


def config_map(name: str, value: str) -> Document:
    """A ConfigMap with one key."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _named(name), "data": {"key": value}}


def _named(name: str) -> Document:
    return {"name": name, "namespace": NAMESPACE}


def state_of(objects: Mapping[str, Document], nodes: list[Document], config_maps: list[Document]) -> dict[str, Any]:
    """What must be as at the backup: the identity of every object, the addresses of Services and Nodes, and the content. `objects`: by KIND/NAME."""
    state: dict[str, Any] = {}
    for name, found in objects.items():
        state[f"uid of {name}"] = found["metadata"]["uid"]
        if "clusterIPs" in found["spec"]:
            state[f"addresses of {name}"] = found["spec"]["clusterIPs"]
        if "replicas" in found["spec"]:
            state[f"replicas of {name}"] = found["spec"]["replicas"]
    for found in config_maps:
        if (name := found["metadata"]["name"]) != "kube-root-ca.crt":  # of the authority, in every namespace
            state[f"uid of configmaps/{name}"] = found["metadata"]["uid"]
            state[f"content of configmaps/{name}"] = found.get("data", {})
    for found in nodes:
        name = found["metadata"]["name"]
        state[f"uid of nodes/{name}"] = found["metadata"]["uid"]
        state[f"pod ranges of nodes/{name}"] = found["spec"].get("podCIDRs", [])
        addresses = found.get("status", {}).get("addresses", [])
        state[f"addresses of nodes/{name}"] = [entry["address"] for entry in addresses if entry["type"] == "InternalIP"]
    return state


def require_same(before: State, after: State) -> None:
    """RestoreDiffers with every difference."""
    if problems := tuple(_differences(before, after)):
        headline = f"the restored cluster is not as at the backup ({len(problems)} differences):"
        raise RestoreDiffers("\n".join([headline, *(f"- {problem}" for problem in problems)]))


def _differences(before: State, after: State) -> Iterator[Problem]:
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield Problem(CODE, name, f"{_text(before, name)} at the backup, {_text(after, name)} after the restore", HINT)


def _text(state: State, name: str) -> str:
    return json.dumps(state[name])[:_LONGEST_VALUE] if name in state else "none"
