"""Which pod network a cluster has, as its workloads show it."""

from __future__ import annotations

import pytest

from cluster.facts.cluster_state import ClusterState
from cluster.pod_networks.recognition import DIGEST_MARK, KIND_MARK, InstalledNetwork, Workload, enforces_policy, installed_network
from cluster.vocabulary.spec import CniKind


def test_the_mark_of_sixstack_decides() -> None:
    """Whatever else runs there; the digest says which documents were applied."""
    marked = Workload("my-agent", "my/agent:v1", {KIND_MARK: "manifests", DIGEST_MARK: "abc"})
    assert installed_network([Workload("coredns", "c"), marked]) == InstalledNetwork(CniKind.MANIFESTS, "manifests (my/agent:v1)", "abc")


def test_flannel_is_known_by_its_daemonset_and_calico_without_the_mark_is_not_ours() -> None:
    """flannel's objects are the same whoever applied them; Calico's have settings of other people."""
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
def test_whether_policies_hold_is_known_of_some(kind: CniKind | None, detail: str, enforces: bool | None) -> None:
    """Of the others, the network check finds out."""
    assert enforces_policy(ClusterState(cni=kind, cni_detail=detail)) is enforces
