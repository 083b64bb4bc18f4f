"""Feature gates that a newer minor refuses."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.rules.feature_gates import gates_in, gates_of, refusals
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
            assert check({"kubernetes_version": "1.35.4", path: {name: not value}}) == {}

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
