"""Feature gates of a running cluster that the new version refuses: a component would exit, after the one of the old version has stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.plan.running_gates import refused_gates
from tests.cluster.plan.test_upgrade import Simulated, cluster_of

SPEC = cluster_of(1, 1)
STATE = Simulated(SPEC).state
GATES = "SidecarContainers=true,AllAlpha=false"


def paths(minor: tuple[int, int] = (1, 37), file: dict[str, Any] | None = None, **documents: dict[str, Any]) -> list[str]:
    """The paths of the refused gates. `documents`: fields of the running ones; `file`: of `kubeadm` in the cluster file."""
    spec = SPEC.model_copy(update={"kubeadm": SPEC.kubeadm.model_copy(update=file or {})})
    running = {name: {**getattr(STATE, name), **fields} for name, fields in documents.items()}
    return [path for path, _ in refused_gates(spec, replace(STATE, **running), minor)]  # type: ignore[arg-type]


def section(component: str) -> dict[str, Any]:
    """A ClusterConfiguration whose component has the gates."""
    return {component: {"extraArgs": [{"name": "v", "value": "2"}, {"name": "feature-gates", "value": GATES}]}}


def test_a_cluster_without_gates_has_no_problem() -> None:
    """As kubeadm made it."""
    assert paths() == []
    assert list(refused_gates(SPEC, replace(STATE, kubeadm={}, kubelet={}, kube_proxy={}), (1, 37))) == []


@pytest.mark.parametrize(
    ("component", "argument"), [("apiServer", "apiserver"), ("controllerManager", "controller_manager"), ("scheduler", "scheduler")]
)
def test_the_arguments_of_the_control_plane_are_judged_unless_the_file_replaces_them(component: str, argument: str) -> None:
    """1.37 has no gate SidecarContainers, 1.36 has."""
    assert paths(kubeadm=section(component)) == [f"configmaps/kubeadm-config/{component}/extraArgs/feature-gates"]
    assert paths((1, 36), kubeadm=section(component)) == []
    assert paths(kubeadm=section(component), file={"extra_args": {argument: {"feature-gates": "AllAlpha=false"}}}) == []


def test_etcds_own_gates_are_left_to_etcd() -> None:
    """The same name means another gate there."""
    assert paths(kubeadm={"etcd": {"local": section("x")["x"]}}) == []


@pytest.mark.parametrize(("document", "config_map"), [("kubelet", "kubelet-config"), ("kube_proxy", "kube-proxy")])
def test_the_gates_of_a_configuration_are_judged_unless_the_file_replaces_them(document: str, config_map: str) -> None:
    """The file replaces all gates or none: none when the running ones contain its own."""
    running: dict[str, Any] = {document: {"featureGates": {"SidecarContainers": True, "AllAlpha": False}}}
    refused = [f"configmaps/{config_map}/featureGates/SidecarContainers"]
    assert paths(**running) == refused
    assert paths((1, 36), **running) == []
    assert paths(file={document: {"featureGates": {"AllBeta": True}}}, **running) == []
    assert paths(file={document: {"featureGates": {"AllAlpha": False}}}, **running) == refused


def test_kubeadm_has_gates_of_its_own() -> None:
    """kubeadm refuses the whole ClusterConfiguration."""
    running = {"featureGates": {"ControlPlaneKubeletLocalMode": True, "NodeLocalCRISocket": True, "RootlessControlPlane": False}}
    local, socket = (f"configmaps/kubeadm-config/featureGates/{name}" for name in ("ControlPlaneKubeletLocalMode", "NodeLocalCRISocket"))
    assert paths(kubeadm=running) == [local, socket]
    assert paths((1, 36), kubeadm=running) == [local]
    assert paths((1, 35), kubeadm=running) == []
