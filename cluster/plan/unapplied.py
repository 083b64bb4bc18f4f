"""Settings that only init reads. A later change in the file is not refused; a note says that it has no effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from cluster.facts.cluster_state import ClusterState
from cluster.kubeadm.documents import cluster_configuration
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.resolved_spec import ResolvedSpec

# by the field of the file: where kubeadm's ClusterConfiguration has the section of a component
COMPONENTS = {
    "kubeadm.extra_args.apiserver": ("apiServer",),
    "kubeadm.extra_args.controller_manager": ("controllerManager",),
    "kubeadm.extra_args.scheduler": ("scheduler",),
    "kubeadm.extra_args.etcd": ("etcd", "local"),
}

# a duration as Go writes it: 90s, 1m30s (https://pkg.go.dev/time#ParseDuration)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+")
_SECONDS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}


def unapplied(spec: ResolvedSpec, state: ClusterState) -> Iterator[str]:
    """One sentence for each setting of `spec` that differs from the known settings of the cluster."""
    if state.kubeadm:
        yield from _control_plane(spec, state.kubeadm)
    for path, wanted, current, why in (
        ("kubeadm.kubelet", spec.kubeadm.kubelet, state.kubelet, "nodes that join later get the cluster's value"),
        ("kubeadm.kube_proxy", spec.kubeadm.kube_proxy, state.kube_proxy, "edit the ConfigMap kube-proxy and restart its DaemonSet"),
    ):
        if current and (differing := sorted(key for key, value in wanted.items() if not is_same(value, current.get(key)))):
            yield f"{path} differs from the running cluster in {', '.join(differing)}: create-cluster does not change this ({why})"
    upstreams = [join_host_port(str(address), 53) for address in spec.network.dns_upstreams]
    if upstreams and state.dns_upstreams and upstreams != [*state.dns_upstreams]:
        yield (
            f"network.dns_upstreams are {', '.join(upstreams)} and CoreDNS forwards to {', '.join(state.dns_upstreams)}: "
            "create-cluster does not change this (edit the ConfigMap coredns: CoreDNS reloads it)"
        )


def _control_plane(spec: ResolvedSpec, kubeadm: Mapping[str, Any]) -> Iterator[str]:
    wanted = cluster_configuration(spec)
    for path, place in COMPONENTS.items():
        arguments, existing = _arguments(wanted, place), _arguments(kubeadm, place)
        if differing := sorted(name for name in arguments.keys() | existing.keys() if arguments.get(name) != existing.get(name)):
            yield f"{path} differs from the running cluster in {', '.join(differing)}: create-cluster does not change a running control plane"
        volumes, existing_volumes = _volumes(wanted, place), _volumes(kubeadm, place)
        if differing := sorted(
            name for name in volumes.keys() | existing_volumes.keys() if volumes.get(name) != existing_volumes.get(name)
        ):
            named = f"{path.replace('extra_args', 'extra_volumes')} differs from the running cluster in {', '.join(differing)}"
            yield f"{named}: create-cluster does not change a running control plane"
    current = set(kubeadm.get("apiServer", {}).get("certSANs") or ())
    if missing := [name for name in wanted["apiServer"]["certSANs"] if name not in current]:
        yield f"the API server's certificate lacks {', '.join(missing)}: renew-certificates adds them"


def _arguments(document: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, str]:
    for key in place:
        document = document.get(key) or {}
    return {str(argument["name"]): str(argument["value"]) for argument in document.get("extraArgs") or ()}


def _volumes(document: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, tuple[object, ...]]:
    """Volumes by name. kubeadm leaves out a false readOnly."""
    for key in place:
        document = document.get(key) or {}
    return {
        str(volume["name"]): (volume.get("hostPath"), volume.get("mountPath"), bool(volume.get("readOnly")), volume.get("pathType", ""))
        for volume in document.get("extraVolumes") or ()
    }


def is_same(wanted: object, current: object) -> bool:
    """Whether two values are equal after kubeadm's changes: it adds defaults to mappings and rewrites durations (60s as 1m0s)."""
    if isinstance(wanted, Mapping) and isinstance(current, Mapping):
        return all(is_same(value, current.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(current, list):
        return len(wanted) == len(current) and all(map(is_same, wanted, current))
    if isinstance(wanted, str) and isinstance(current, str) and _DURATION.fullmatch(wanted) and _DURATION.fullmatch(current):
        return _seconds(wanted) == _seconds(current)
    return wanted == current


def _seconds(duration: str) -> Fraction:
    return sum((Fraction(number) * _SECONDS[unit] for number, unit in re.findall(r"([\d.]+)([a-z]+)", duration)), start=Fraction(0))
