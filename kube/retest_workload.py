"""Puts the workload of a retest into a cluster, changes it, and reads what must be there after a restore."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cluster.retests.workload import (
    CHANGED,
    CREATED,
    DELETED,
    NAME,
    NAMESPACE,
    REPLICAS,
    SYSTEM_SERVICES,
    config_map,
    state_of,
    workload,
)
from kube.apply import apply
from kube.client import KubeApi
from kube.wait import NODES, wait_rolled_out

_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
LIMIT = timedelta(minutes=3)


def place(api: KubeApi, image: str) -> tuple[str, ...]:
    """Create the workload and wait until its pods run; one phrase for each object that was created."""
    created = apply(api, workload(image))
    wait_running(api)
    return created


def wait_running(api: KubeApi) -> None:
    """Wait until the pods run; ClusterError says why they do not."""
    wait_rolled_out(api, "Deployment", NAMESPACE, NAME, limit=LIMIT)


def change(api: KubeApi) -> tuple[str, ...]:
    """Change, delete and create objects, and remove a replica; one phrase for each change. A second call does what the first one did not."""
    changes = list(apply(api, [config_map(CHANGED, "after"), config_map(CREATED, "after")]))
    if api.delete(f"{_CORE}/configmaps/{DELETED}"):
        changes.append(f"deleted ConfigMap {NAMESPACE}/{DELETED}")
    api.merge(_DEPLOYMENT, {"spec": {"replicas": REPLICAS - 1}})
    return (*changes, f"changed the replicas of Deployment {NAMESPACE}/{NAME}")


def read(api: KubeApi) -> dict[str, Any]:
    """The state that must be as at the backup."""
    objects = {
        f"deployments/{NAMESPACE}/{NAME}": api.find(_DEPLOYMENT),
        f"services/{NAMESPACE}/{NAME}": api.find(f"{_CORE}/services/{NAME}"),
        **{
            f"services/{namespace}/{name}": api.find(f"/api/v1/namespaces/{namespace}/services/{name}")
            for namespace, name in SYSTEM_SERVICES
        },
    }
    found = {name: document for name, document in objects.items() if document is not None}
    return state_of(found, api.get(NODES)["items"], api.get(f"{_CORE}/configmaps")["items"])


def remove(api: KubeApi) -> None:
    """Remove the workload."""
    api.delete(f"/api/v1/namespaces/{NAMESPACE}")
