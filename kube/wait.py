"""Waiting on the API by list and watch, without polling."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta

from cluster.vocabulary.errors import ApiUnavailable, ClusterError
from kube.client import ApiRefused, Document, KubeApi, segment
from kube.failing_pods import pod_failures

OnChange = Callable[[str], None]

NODES = "/api/v1/nodes"


def watch_objects(api: KubeApi, path: str, limit: timedelta, query: Mapping[str, str] | None = None) -> Iterator[dict[str, Document]]:
    """The objects of a collection by name: at once, then after each change, until `limit`; a lost connection is opened again."""
    end = time.monotonic() + limit.total_seconds()
    lost: ApiUnavailable | None = None
    while (left := end - time.monotonic()) > 0:
        try:
            listed = api.request("GET", path, query=query, seconds=min(30, left + 1))
            lost = None
            held = {item["metadata"]["name"]: item for item in listed["items"]}
            yield held
            since = {**(query or {}), "resourceVersion": listed["metadata"]["resourceVersion"]}
            for event in api.watch(path, since, end - time.monotonic()):
                if event["type"] == "ERROR":  # usually a resource version that is too old: list again
                    break
                name = event["object"]["metadata"]["name"]
                if event["type"] == "DELETED":
                    held.pop(name, None)
                else:
                    held[name] = event["object"]
                yield held
        except ApiUnavailable as error:
            lost = error
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))  # a server that is down offers no watch
    if lost is not None:
        raise lost


def wait_until(
    api: KubeApi,
    path: str,
    pending: Callable[[dict[str, Document]], Mapping[str, str]],
    *,
    what: str,
    limit: timedelta,
    on_change: OnChange | None = None,
    query: Mapping[str, str] | None = None,
) -> None:
    """Wait until `pending` (objects -> reason why each is incomplete, by name) is empty.

    `on_change` receives a sentence whenever these reasons change. Raises ClusterError with the remaining reasons after `limit`.
    """
    missing: Mapping[str, str] = {}
    reported = ""
    for objects in watch_objects(api, path, limit, query):
        missing = pending(objects)
        sentence = _sentence(missing)
        if on_change is not None and sentence != reported:
            on_change(f"{what}: waiting for {sentence}" if missing else f"{what}: done")
            reported = sentence
        if not missing:
            return
    raise ClusterError(f"{what}: not done after {limit.total_seconds():.0f} s: {_sentence(missing)}")


def wait_nodes_ready(api: KubeApi, names: Iterable[str], limit: timedelta, on_change: OnChange | None = None, *, version: str = "") -> None:
    """Wait until each named node exists and is Ready; ClusterError names the others with the reason from kubelet.

    `version`: that its kubelet must have. A node stays Ready for 40 s without its kubelet, so that Ready alone does not show a new one.
    """
    wanted = tuple(names)

    def pending(nodes: dict[str, Document]) -> dict[str, str]:
        return {name: reason for name in wanted if (reason := _node_missing(nodes.get(name), version))}

    wait_until(api, NODES, pending, what="nodes Ready", limit=limit, on_change=on_change)


def wait_rolled_out(api: KubeApi, kind: str, namespace: str, name: str, *, limit: timedelta, on_change: OnChange | None = None) -> None:
    """Wait until a DaemonSet or Deployment runs its newest version everywhere."""
    _wait_workload(api, kind, namespace, name, _rollout_missing, what="rolled out", limit=limit, on_change=on_change)


def wait_steady(
    api: KubeApi, kind: str, namespace: str, name: str, *, steady: timedelta, limit: timedelta, on_change: OnChange | None = None
) -> None:
    """Wait until all pods of a DaemonSet or Deployment have run for a while without a change.

    A pod without a readiness probe counts as available in the moment in which it starts, even if it ends at once, again and again.
    """
    workload = api.get(f"{_workloads(kind, namespace)}/{segment(name)}")
    labels = workload["spec"]["selector"]["matchLabels"]
    query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}
    path, end, what = (
        f"/api/v1/namespaces/{segment(namespace)}/pods",
        time.monotonic() + limit.total_seconds(),
        f"{kind} {namespace}/{name} steady",
    )
    while True:
        left = timedelta(seconds=max(1.0, end - time.monotonic()))
        wait_until(api, path, _not_running, what=what, limit=left, on_change=on_change, query=query)
        first, changed = None, False
        for pods in watch_objects(api, path, steady, query):
            runs = {pod: [(container["name"], container["restartCount"]) for container in _containers(pods[pod])] for pod in pods}
            first = first if first is not None else runs
            if changed := runs != first or bool(_not_running(pods)):
                break
        if not changed:
            return
        if time.monotonic() >= end:
            raise ClusterError(f"{what}: its pods still change after {limit.total_seconds():.0f} s")


def _containers(pod: Document) -> list[Document]:
    return pod.get("status", {}).get("containerStatuses") or []


def _not_running(pods: dict[str, Document]) -> dict[str, str]:
    """Why each pod that is meant to run does not."""
    stopped = {
        name: "; ".join(pod_failures(pod)) or "not running"
        for name, pod in pods.items()
        if "deletionTimestamp" not in pod["metadata"]
        and not (_containers(pod) and all(container["ready"] and "running" in container["state"] for container in _containers(pod)))
    }
    return stopped if pods else {"pods": "none exists"}


def deployment_available(deployment: Document | None) -> bool:
    """Whether the condition Available is true and at least one replica is available (with 0 replicas the condition alone is true).

    Other replicas may still be starting: kubelet probes each one up to one probe period late.
    """
    has_available = (deployment or {}).get("status", {}).get("availableReplicas", 0) > 0
    return has_available and _condition(deployment, "Available").get("status") == "True"


def wait_available(api: KubeApi, namespace: str, name: str, *, limit: timedelta, on_change: OnChange | None = None) -> None:
    """Wait until a Deployment is Available."""

    def missing(kind: str, deployment: Document | None) -> str:
        return "" if deployment_available(deployment) else _rollout_missing(kind, deployment) or "not Available"

    _wait_workload(api, "Deployment", namespace, name, missing, what="available", limit=limit, on_change=on_change)


def _wait_workload(
    api: KubeApi,
    kind: str,
    namespace: str,
    name: str,
    missing: Callable[[str, Document | None], str],
    *,
    what: str,
    limit: timedelta,
    on_change: OnChange | None,
) -> None:
    """Wait until `missing` (kind, object -> reason) returns "" for one workload."""

    def pending(found: dict[str, Document]) -> dict[str, str]:
        reason = missing(kind, found.get(name))
        return {f"{namespace}/{name}": reason} if reason else {}

    wait_until(
        api,
        _workloads(kind, namespace),
        pending,
        what=f"{kind} {namespace}/{name} {what}",
        limit=limit,
        on_change=on_change,
        query={"fieldSelector": f"metadata.name={name}"},
    )


def _workloads(kind: str, namespace: str) -> str:
    plural = {"DaemonSet": "daemonsets", "Deployment": "deployments"}[kind]
    return f"/apis/apps/v1/namespaces/{segment(namespace)}/{plural}"


def wait_established(api: KubeApi, names: Iterable[str], limit: timedelta) -> None:
    """Wait until the named CustomResourceDefinitions serve their resources."""
    wanted = tuple(names)

    def pending(found: dict[str, Document]) -> dict[str, str]:
        return {name: "not Established" for name in wanted if _condition(found.get(name), "Established").get("status") != "True"}

    wait_until(api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", pending, what="resource definitions", limit=limit)


def wait_gone(api: KubeApi, path: str, limit: timedelta, query: Mapping[str, str] | None = None) -> None:
    """Wait until a collection (narrowed by `query`) is empty; a path that the server does not know counts as empty."""
    try:
        wait_until(api, path, lambda found: dict.fromkeys(found, "still exists"), what=f"{path} removed", limit=limit, query=query)
    except ApiRefused as refusal:
        if refusal.status != 404:
            raise


def _sentence(missing: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in sorted(missing.items()))


def _condition(document: Document | None, kind: str) -> Document:
    # a definition that was just created has `conditions: null`
    conditions: list[Document] = (document or {}).get("status", {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _node_missing(node: Document | None, version: str = "") -> str:
    if node is None:
        return "has not joined"
    found = node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")
    if version and found != version:
        return f"the kubelet with {version} has not reported yet, the node has {found or 'no version'}"
    ready = _condition(node, "Ready")
    if ready.get("status") == "True":
        return ""
    return str(ready.get("message") or "kubelet has not reported yet")


def _rollout_missing(kind: str, workload: Document | None) -> str:
    if workload is None:
        return "does not exist"
    status = workload.get("status", {})
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return "the controller has not processed the newest version yet"
    if kind == "DaemonSet":
        wanted, fresh, good = status["desiredNumberScheduled"], status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        total = wanted
    else:
        wanted, fresh, good = workload["spec"].get("replicas", 1), status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        total = status.get("replicas", 0)
    if fresh < wanted or good < wanted or total > wanted:
        return f"{min(fresh, good)} of {wanted} available"
    return ""
