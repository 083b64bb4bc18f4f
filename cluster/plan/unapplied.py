"""Settings that only init reads. A later change in the file is not refused; a note says that it has no effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

from cluster.facts.cluster_state import ClusterState
from cluster.facts.documents import ABSENT, shown
from cluster.kubeadm.documents import cluster_configuration, kube_proxy_configuration, kubelet_configuration
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.resolved_spec import ResolvedSpec

# by the field of the file: where kubeadm's ClusterConfiguration has the section of a component
COMPONENTS = {
    "kubeadm.extra_args.apiserver": ("apiServer",),
    "kubeadm.extra_args.controller_manager": ("controllerManager",),
    "kubeadm.extra_args.scheduler": ("scheduler",),
    "kubeadm.extra_args.etcd": ("etcd", "local"),
}

_UPSTREAMS = "network.dns_upstreams"

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


RUNNING_CONTROL_PLANE = "create-cluster does not change a running control plane"
NAMES_OF_CERTIFICATE = "control_plane.extra_sans"


@dataclass(frozen=True, slots=True)
class UnappliedSetting:
    """One setting in which the file differs from the cluster, and which create-cluster does not change."""

    path: str  # in the cluster file
    name: str  # of the argument, volume or field; "" for the whole setting
    expected: str
    actual: str
    why: str  # what does not change it, and who can


def unapplied(spec: ResolvedSpec, state: ClusterState) -> Iterator[str]:
    """One sentence for each setting of `spec` that differs from the known settings of the cluster."""
    for path, settings in groupby(unapplied_settings(spec, state), key=lambda setting: setting.path):
        these = list(settings)
        names = ", ".join(setting.name for setting in these)
        if path == NAMES_OF_CERTIFICATE:
            yield f"the API server's certificate lacks {names}: {these[0].why}"
        elif path == _UPSTREAMS:
            yield f"{path} are {these[0].expected} and CoreDNS forwards to {these[0].actual}: {these[0].why}"
        else:
            yield f"{path} differs from the running cluster in {names}: {these[0].why}"


def unapplied_settings(spec: ResolvedSpec, state: ClusterState) -> Iterator[UnappliedSetting]:
    """Each setting of `spec` that differs from the known settings of the cluster; those of one path after each other."""
    if state.kubeadm:
        yield from _control_plane(spec, state.kubeadm)
    for path, wanted, current, why in (
        ("kubeadm.kubelet", kubelet_configuration(spec), state.kubelet, "nodes that join later get the cluster's value"),
        (
            "kubeadm.kube_proxy",
            kube_proxy_configuration(spec),
            state.kube_proxy,
            "edit the ConfigMap kube-proxy and restart its DaemonSet",
        ),
    ):
        for key, value in sorted(wanted.items()) if current else ():
            if not is_same(value, current.get(key)):
                why_not = f"create-cluster does not change this ({why})"
                yield UnappliedSetting(path, key, shown(value), shown(current.get(key)), why_not)
    upstreams = [join_host_port(str(address), 53) for address in spec.network.dns_upstreams]
    if upstreams and state.dns_upstreams and upstreams != [*state.dns_upstreams]:
        why_not = "create-cluster does not change this (edit the ConfigMap coredns: CoreDNS reloads it)"
        yield UnappliedSetting(_UPSTREAMS, "", ", ".join(upstreams), ", ".join(state.dns_upstreams), why_not)


def _control_plane(spec: ResolvedSpec, kubeadm: Mapping[str, Any]) -> Iterator[UnappliedSetting]:
    wanted = cluster_configuration(spec)
    for path, place in COMPONENTS.items():
        yield from _differing(path, _arguments(wanted, place), _arguments(kubeadm, place))
        yield from _differing(path.replace("extra_args", "extra_volumes"), _volumes(wanted, place), _volumes(kubeadm, place))
    current = set(kubeadm.get("apiServer", {}).get("certSANs") or ())
    for name in wanted["apiServer"]["certSANs"]:
        if name not in current:
            yield UnappliedSetting(NAMES_OF_CERTIFICATE, name, name, ABSENT, "renew-certificates adds it")


def _differing(path: str, wanted: Mapping[str, object], current: Mapping[str, object]) -> Iterator[UnappliedSetting]:
    for name in sorted(wanted.keys() | current.keys()):
        if wanted.get(name) != current.get(name):
            yield UnappliedSetting(path, name, shown(wanted.get(name)), shown(current.get(name)), RUNNING_CONTROL_PLANE)


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
