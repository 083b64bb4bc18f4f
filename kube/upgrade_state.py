"""The state of a running cluster that decides whether it can be upgraded, from its API server."""

from __future__ import annotations

from collections.abc import Iterable

from cluster.facts.upgrade_state import UpgradeState, deprecated_requests, storage_size
from cluster.vocabulary.errors import ApiUnavailable
from kube.client import ApiRefused, KubeApi
from kube.drain import drain_problems

_STATIC_PODS = "/api/v1/namespaces/kube-system/pods"


def read_upgrade_state(api: KubeApi, drained: Iterable[str]) -> UpgradeState:
    """Read versions, health and the use of deprecated APIs; and the pods on the nodes of `drained` that a drain would lose."""
    metrics = api.get("/metrics").get("text", "")
    return UpgradeState(
        api_version=str(api.get("/version").get("gitVersion", "")),
        etcd=_etcd_faults(api),
        etcd_bytes=storage_size(metrics),
        deprecated=tuple(deprecated_requests(metrics)),
        losses=tuple(problem for node in drained for problem in drain_problems(api, node)),
    )


def _etcd_faults(api: KubeApi) -> tuple[str, ...]:
    """Why etcd is not healthy: what the API server says of it, and members whose own probes fail."""
    faults = []
    try:
        api.get("/readyz/etcd")
    except (ApiRefused, ApiUnavailable) as failed:
        faults.append(f"the API server does not reach it: {failed}")
    for pod in api.get(_STATIC_PODS, labelSelector="component=etcd")["items"]:
        conditions = {entry["type"]: entry for entry in pod.get("status", {}).get("conditions") or []}
        if conditions.get("Ready", {}).get("status") != "True":
            faults.append(f"member {pod['metadata']['name']} is not Ready: {conditions.get('Ready', {}).get('message', 'no condition')}")
    return tuple(faults)
