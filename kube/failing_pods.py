"""Failing pods of a node, with the messages of kubelet: the usual reason for a joined node that is not Ready."""

from __future__ import annotations

from cluster.vocabulary.errors import SixstackError
from kube.client import Document, KubeApi

# the reasons of a container that is starting
_STARTING = frozenset({"ContainerCreating", "PodInitializing"})


def failing_pods(api: KubeApi, node: str) -> tuple[str, ...]:
    """One phrase for each failing container: `pod NAMESPACE/NAME: CONTAINER: REASON: MESSAGE`; () when the API is unavailable."""
    try:
        pods = api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    except SixstackError:
        return ()
    return tuple(
        f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}: {failure}" for pod in pods for failure in pod_failures(pod)
    )


def pod_failures(pod: Document) -> list[str]:
    """A phrase for each container of a pod that waits although nothing is being started."""
    status = pod.get("status", {})
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    waiting = [(container, container.get("state", {}).get("waiting", {})) for container in containers]
    return [
        f"{container['name']}: {found['reason']}: {found.get('message') or _last_end(container)}".rstrip(": ")
        for container, found in waiting
        if found.get("reason") and found["reason"] not in _STARTING
    ]


def _last_end(container: Document) -> str:
    ended = container.get("lastState", {}).get("terminated", {})
    return f"ended with exit code {ended['exitCode']}" if "exitCode" in ended else ""
