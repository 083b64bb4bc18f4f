"""The pod network plug-ins that are installed through the API."""

from __future__ import annotations

from datetime import timedelta

from cluster.spec import ClusterSpec, CniKind
from kube.apply import apply
from kube.client import KubeApi
from kube.cni.flannel import DAEMON_SET, NAMESPACE, flannel_documents
from kube.wait import OnChange, wait_rolled_out

__all__ = ["flannel_documents", "install", "wait_installed"]


def install(api: KubeApi, spec: ClusterSpec) -> tuple[str, ...]:
    """Applies the plug-in that the spec names; one phrase per object created or changed, none for `none`."""
    if spec.cni.kind is CniKind.FLANNEL:
        return apply(api, flannel_documents(spec))
    return ()


def wait_installed(api: KubeApi, spec: ClusterSpec, limit: timedelta, on_change: OnChange | None = None) -> None:
    """Waits until the plug-in runs on every node that has joined so far."""
    if spec.cni.kind is CniKind.FLANNEL:
        wait_rolled_out(api, "DaemonSet", NAMESPACE, DAEMON_SET, limit=limit, on_change=on_change)
