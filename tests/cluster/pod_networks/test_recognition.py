"""Detecting the pod network of a cluster from its workloads."""

from __future__ import annotations

import pytest

from cluster.facts.cluster_state import ClusterState
from cluster.pod_networks.recognition import (
    DIGEST_ANNOTATION,
    KIND_ANNOTATION,
    InstalledNetwork,
    Workload,
    enforces_policy,
    installed_network,
)
from cluster.vocabulary.cni_kinds import CniKind


def test_the_annotation_of_sixstack_takes_precedence() -> None:
    """Over all other workloads. The digest identifies the applied documents."""
    marked = Workload("my-agent", "my/agent:v1", {KIND_ANNOTATION: "manifests", DIGEST_ANNOTATION: "abc"})
    assert installed_network([Workload("coredns", "c"), marked]) == InstalledNetwork(CniKind.MANIFESTS, "manifests (my/agent:v1)", "abc")


def test_flannel_is_recognised_by_its_daemonset_and_calico_by_its_annotation() -> None:
    """flannel's objects do not depend on the installer; Calico's settings do."""
    assert installed_network([Workload("kube-flannel-ds", "f:v1")]) == InstalledNetwork(CniKind.FLANNEL, "Flannel (f:v1)")
    assert installed_network([Workload("calico-node", "c:v3")]) == InstalledNetwork(CniKind.NONE, "Calico (c:v3)")
    assert installed_network([Workload("coredns", "c")]) == InstalledNetwork()


@pytest.mark.parametrize(
    ("kind", "detail", "enforces"),
    [
        (CniKind.FLANNEL, "Flannel (f:v1)", False),
        (CniKind.CALICO, "calico (c:v3)", True),
        (CniKind.MANIFESTS, "manifests (a:v1)", None),
        (CniKind.NONE, "Cilium (c:v1)", True),
        (CniKind.NONE, "kindnet (k:v1)", None),
        (None, "", None),
    ],
)
def test_policy_enforcement_of_known_networks(kind: CniKind | None, detail: str, enforces: bool | None) -> None:
    """For other networks the network check decides."""
    assert enforces_policy(ClusterState(cni=kind, cni_detail=detail)) is enforces
