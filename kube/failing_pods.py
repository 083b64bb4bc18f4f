"""Pods of a node that do not get on, in kubelet's words: why a node that has joined is not Ready, mostly."""

from __future__ import annotations

from cluster.vocabulary.errors import SixstackError
from kube.client import Document, KubeApi

# a container that waits for these is on its way
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})


def failing_pods(api: KubeApi, node: str) -> tuple[str, ...]:
    """A phrase a container that cannot start or does not stay up: `pod NAMESPACE/NAME: CONTAINER: REASON: MESSAGE`; () when the API is away."""
    try:
        pods = api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    except SixstackError:
        return ()
    return tuple(f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}: {told}" for pod in pods for told in _told(pod))


def _told(pod: Document) -> list[str]:
    status = pod.get("status", {})
    containers = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    waiting = [(container, container.get("state", {}).get("waiting", {})) for container in containers]
    return [
        f"{container['name']}: {found['reason']}: {found.get('message') or _last_end(container)}".rstrip(": ")
        for container, found in waiting
        if found.get("reason") and found["reason"] not in _ON_ITS_WAY
    ]


def _last_end(container: Document) -> str:
    ended = container.get("lastState", {}).get("terminated", {})
    return f"ended with exit code {ended['exitCode']}" if "exitCode" in ended else ""
