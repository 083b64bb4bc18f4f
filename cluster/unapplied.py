"""Settings that kubeadm reads once, at init: a file that changes them later is not refused, and told that nothing comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.kubeadm import cluster_configuration
from cluster.spec import ClusterSpec

_COMPONENTS = {
    "kubeadm.extra_args.apiserver": ("apiServer",),
    "kubeadm.extra_args.controller_manager": ("controllerManager",),
    "kubeadm.extra_args.scheduler": ("scheduler",),
    "kubeadm.extra_args.etcd": ("etcd", "local"),
}


def unapplied(spec: ClusterSpec, kubeadm: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each setting of `spec` that differs from `kubeadm`, the ClusterConfiguration the cluster was made with ({}: not known)."""
    if not kubeadm:
        return
    wanted = cluster_configuration(spec)
    for path, place in _COMPONENTS.items():
        now, then = _arguments(wanted, place), _arguments(kubeadm, place)
        if differing := sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name)):
            yield f"{path} differs from the running cluster's in {', '.join(differing)}: create-cluster does not change a control plane that runs"
    held = set(kubeadm.get("apiServer", {}).get("certSANs") or ())
    if missing := [name for name in wanted["apiServer"]["certSANs"] if name not in held]:
        yield f"the API server's certificate lacks {', '.join(missing)}: create-cluster does not renew it"


def _arguments(document: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, str]:
    for key in place:
        document = document.get(key) or {}
    return {str(argument["name"]): str(argument["value"]) for argument in document.get("extraArgs") or ()}
