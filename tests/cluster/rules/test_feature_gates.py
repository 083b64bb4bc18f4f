"""Feature gates that a newer minor refuses."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.rules.component_gates import _GATES
from cluster.rules.feature_gates import gates_in, gates_of, refusals
from cluster.rules.gate_states import _NEEDS, _STATES
from cluster.vocabulary.releases import RELEASES
from tests.cluster.rules.conftest import Check

CODE = "feature-gate-refused"


class TestFeatureGateRefused:
    """feature-gate-refused."""

    @pytest.mark.parametrize("component", ["apiserver", "controller_manager", "scheduler", "kubelet"])
    def test_a_removed_gate_of_an_argument_is_refused(self, check: Check, component: str) -> None:
        """One problem for the argument, with every gate; the fix keeps the others."""
        arguments = {component: {"feature-gates": "AllAlpha=false,SidecarContainers=true, kube:JobSuccessPolicy=true"}}
        path = f"kubeadm.extra_args.{component}.feature-gates"
        problem = check({"kubernetes_version": "1.37.2", "kubeadm.extra_args": arguments})[CODE, path]
        assert "SidecarContainers" in problem.message
        assert "JobSuccessPolicy" in problem.message
        assert [change.as_dict() for change in problem.fix] == [
            {"op": "replace", "path": f"/kubeadm/extra_args/{component}/feature-gates", "value": "AllAlpha=false"}
        ]
        assert check({"kubernetes_version": "1.36.3", "kubeadm.extra_args": arguments}) == {}

    @pytest.mark.parametrize("field", ["kubelet", "kube_proxy"])
    def test_a_removed_gate_of_a_configuration_is_refused(self, check: Check, field: str) -> None:
        """At its own path."""
        gates = {f"kubeadm.{field}": {"featureGates": {"SidecarContainers": True, "AllBeta": True}}}
        found = check({"kubernetes_version": "1.37.2", **gates})
        assert list(found) == [(CODE, f"kubeadm.{field}.featureGates.SidecarContainers")]
        assert check({"kubernetes_version": "1.36.3", **gates}) == {}

    def test_a_locked_gate_has_one_value(self, check: Check) -> None:
        """1.36 locks UserNamespacesSupport to true and GitRepoVolumeDriver to false; so do later minors."""
        path = "kubeadm.kubelet.featureGates"
        for name, value in (("UserNamespacesSupport", True), ("GitRepoVolumeDriver", False)):
            for version in ("1.36.3", "1.37.2"):
                assert check({"kubernetes_version": version, path: {name: value}}) == {}
                assert list(check({"kubernetes_version": version, path: {name: not value}})) == [(CODE, f"{path}.{name}")]
            # another gate that is on by default needs the first one
            assert check({"kubernetes_version": "1.35.4", path: {name: not value, "ProcMountType": False}}) == {}

    def test_a_gate_of_a_newer_minor_is_refused(self, check: Check) -> None:
        """A component does not know it yet."""
        gates = {"kubeadm.kubelet.featureGates": {"DefaultPodSysctls": True}}
        assert list(check({"kubernetes_version": "1.36.3", **gates})) == [(CODE, "kubeadm.kubelet.featureGates.DefaultPodSysctls")]
        assert check({"kubernetes_version": "1.37.2", **gates}) == {}

    @pytest.mark.parametrize(
        ("version", "gates", "refused"),
        [
            # switched off, and two gates that are on by default need it
            ("1.36.3", {"GracefulNodeShutdown": False}, ["GracefulNodeShutdown"]),
            ("1.36.3", {"GracefulNodeShutdown": False, "AllBeta": False}, []),
            # switched on, and the other one is off by default
            ("1.36.3", {"WorkloadWithJob": True}, ["WorkloadWithJob"]),
            ("1.36.3", {"WorkloadWithJob": True, "GenericWorkload": True}, []),
            ("1.36.3", {"WorkloadWithJob": True, "GenericWorkload": False}, ["GenericWorkload"]),
            # all gates of a stage: in 1.37, an alpha gate needs a beta gate that is off by default
            ("1.36.3", {"AllAlpha": True}, []),
            ("1.37.2", {"AllAlpha": True}, ["AllAlpha"]),
            ("1.37.2", {"AllAlpha": True, "AllBeta": True}, []),
            ("1.37.2", {"AllAlpha": True, "GenericWorkload": True}, []),
            # what a gate needs changes
            ("1.35.4", {"UserNamespacesHostNetworkSupport": True}, []),
            ("1.36.3", {"UserNamespacesHostNetworkSupport": True, "AllBeta": False}, ["UserNamespacesHostNetworkSupport"]),
        ],
    )
    def test_a_gate_without_another_one_that_it_needs_is_refused(
        self, check: Check, version: str, gates: dict[str, bool], refused: list[str]
    ) -> None:
        """At the gate that the file sets."""
        path = "kubeadm.kubelet.featureGates"
        assert list(check({"kubernetes_version": version, path: gates})) == [(CODE, f"{path}.{name}") for name in refused]

    @pytest.mark.parametrize("version", ["0.1.0", "1.34.0", "1.38.0", "2.0.0"])
    def test_gates_of_a_minor_that_is_not_supported_are_judged_as_those_of_the_nearest(self, check: Check, version: str) -> None:
        """Its own problem is reported too."""
        found = check({"kubernetes_version": version, "kubeadm.kubelet.featureGates": {"GracefulNodeShutdown": False}})
        assert {code for code, _ in found} == {CODE, "kubernetes-version-unsupported"}

    def test_every_gate_has_a_state_in_every_minor(self) -> None:
        """One letter for each."""
        assert {len(states) for states in _STATES.values()} == {len(RELEASES)}
        assert {name for gate, text in _NEEDS.items() for name in (gate, *text.split())} <= _STATES.keys()
        assert set(_GATES.values()) <= _STATES.keys()

    def test_etcd_has_gates_of_its_own(self, check: Check) -> None:
        """The same name would mean another gate."""
        assert check({"kubernetes_version": "1.37.2", "kubeadm.extra_args": {"etcd": {"feature-gates": "SidecarContainers=true"}}}) == {}

    @pytest.mark.parametrize(
        ("text", "gates"),
        [
            ("", {}),
            ("A=true", {"A": True}),
            ("A=1,B=F,kube:C=TRUE", {"A": True, "B": False, "C": True}),
            ("A,B=,=true,C=yes,D=true=x", {}),
        ],
    )
    def test_the_argument_is_read_as_kubernetes_reads_it(self, text: str, gates: dict[str, bool]) -> None:
        """A list with Go's booleans; other text is left to the component."""
        assert gates_of(text) == gates

    @pytest.mark.parametrize("fields", [{}, {"featureGates": None}, {"featureGates": ["A"]}, {"featureGates": {"A": "true"}}])
    def test_a_configuration_of_any_form_is_read(self, fields: dict[str, Any]) -> None:
        """A ConfigMap may have anything."""
        assert gates_in(fields) == {}

    def test_a_gate_of_all_minors_is_accepted(self) -> None:
        """And so is one that sixstack does not know: another patch release may have it."""
        assert refusals({"AllAlpha": False, "InPlacePodVerticalScaling": True, "Other": True}, (1, 37)) == {}
