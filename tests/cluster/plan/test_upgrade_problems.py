"""The preconditions of an upgrade: each is reported with its code, and all of them together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.facts.upgrade_state import DeprecatedRequest, UpgradeState, deprecated_requests, storage_size
from cluster.plan.upgrade_problems import NOT_UPGRADED, no_cluster, parsed_version, setting_problems, upgrade_problems
from cluster.vocabulary.problems import Problem
from tests.cluster.plan.test_upgrade import NEW, OLD, Simulated, cluster_of

SPEC = cluster_of(1, 2)
RUNNING = Simulated(SPEC)
HEALTHY = UpgradeState(OLD)


def found(
    *,
    version: str = NEW,
    state: ClusterState = RUNNING.state,
    upgrade: UpgradeState = HEALTHY,
    missing: dict[str, int] | None = None,
    **facts: Any,
) -> list[tuple[str, str]]:
    """Code and path of each problem; `facts` change those of worker-1."""
    spec = SPEC.model_copy(update={"kubernetes_version": version.removeprefix("v")})
    hosts = {**RUNNING.facts, "worker-1": replace(RUNNING.facts["worker-1"], **facts)}
    return [(problem.code, problem.path) for problem in upgrade_problems(spec, hosts, state, upgrade, missing or {})]


def with_node(name: str, **changes: Any) -> ClusterState:
    """The state with another node."""
    nodes = tuple(replace(node, **changes) if node.name == name else node for node in RUNNING.state.nodes)
    return replace(RUNNING.state, nodes=nodes)


def test_a_healthy_cluster_can_be_upgraded_by_one_minor() -> None:
    """Also to the same version, and to another patch release."""
    assert found() == []
    assert found(version=OLD) == []
    assert found(version="v1.35.9") == []


@pytest.mark.parametrize(
    ("version", "code"),
    [("v1.35.3", "upgrade-is-a-downgrade"), ("v1.34.9", "upgrade-is-a-downgrade"), ("v1.37.2", "upgrade-skips-a-minor")],
)
def test_a_control_plane_goes_one_minor_forward_at_a_time(version: str, code: str) -> None:
    """kubeadm refuses the same, in the middle of its work."""
    assert found(version=version) == [(code, "kubernetes_version")]


def test_during_an_upgrade_the_newest_component_is_not_made_older() -> None:
    """kubeadm's settings still have the old version."""
    half = UpgradeState(NEW)
    assert found(version=OLD, upgrade=half) == [("upgrade-is-a-downgrade", "kubernetes_version")]
    assert found(version=NEW, upgrade=half) == []


def test_an_interrupted_upgrade_is_finished_before_the_next_one() -> None:
    """The API server is new; the controller manager would skip a minor, and be two minors older than the API server."""
    assert found(version="v1.37.2", upgrade=UpgradeState(NEW)) == [("upgrade-skips-a-minor", "kubernetes_version")]
    upgraded = Simulated(SPEC)
    for step in upgraded.plan().steps:
        if step.kind == "upgrade-control-plane":
            upgraded.do(step)
    spec = SPEC.model_copy(update={"kubernetes_version": "1.37.2"})
    assert upgrade_problems(spec, upgraded.facts, upgraded.state, UpgradeState(NEW), {}) == ()
    images = dict(upgraded.facts["cp-1"].kubernetes.static_images) | {"kube-scheduler": f"registry.k8s.io/kube-scheduler:{OLD}"}
    behind = replace(upgraded.facts["cp-1"], kubernetes=replace(upgraded.facts["cp-1"].kubernetes, static_images=images))
    (problem,) = upgrade_problems(spec, {**upgraded.facts, "cp-1": behind}, upgraded.state, UpgradeState(NEW), {})
    assert problem.code == "upgrade-skips-a-minor"
    assert problem.hint.startswith(f"Finish the upgrade to {NEW} first")


def test_a_kubelet_that_is_newer_than_the_file_is_not_made_older() -> None:
    """Its owner installed another patch release. Nodes that the file does not list keep their version."""
    newer = with_node("worker-1", kubelet_version="v1.35.9")
    assert found(version="v1.35.5", state=newer) == [("upgrade-is-a-downgrade", "nodes/worker-1")]
    assert found(version="v1.35.9", state=newer) == []
    other = replace(RUNNING.state, nodes=(*RUNNING.state.nodes, NodeState("other", ready=True, kubelet_version="v1.35.9")))
    assert found(version="v1.35.5", state=other) == []


@pytest.mark.parametrize(
    ("megabytes", "quota", "fits"),
    [
        (1900, None, True),
        (1990, None, False),
        (1990, "0", False),
        (1990, "4294967296", True),
        (4000, "4294967296", False),
        (9000, "-1", True),
    ],
)
def test_etcd_has_space_for_the_writes_of_an_upgrade(megabytes: int, quota: str | None, fits: bool) -> None:
    """Its data is compared with the quota of the running etcd, by default 2 GiB."""
    arguments = [{"name": "quota-backend-bytes", "value": quota}] if quota is not None else []
    state = replace(RUNNING.state, kubeadm={**RUNNING.state.kubeadm, "etcd": {"local": {"extraArgs": arguments}}})
    problems = found(state=state, upgrade=replace(HEALTHY, etcd_bytes=megabytes * 2**20))
    assert problems == ([] if fits else [("etcd-not-healthy", "etcd")])


def test_the_size_of_etcds_data_is_read_from_the_metrics() -> None:
    """The largest of several members; 0 without the metric."""
    lines = [
        'apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} 2.0013056e+07',
        'apiserver_storage_size_bytes{storage_cluster_id="etcd-1"} 5',
    ]
    assert storage_size("\n".join(lines)) == 20013056
    assert storage_size("apiserver_storage_objects 5\n") == 0
    assert storage_size('apiserver_storage_size_bytes{a="b"} e+e') == 0


def test_kubelets_are_at_most_three_minors_older_and_never_newer() -> None:
    """A node that the file does not list counts too: kubeadm would not upgrade it."""
    old = replace(RUNNING.state, nodes=(*RUNNING.state.nodes, NodeState("other", ready=True, kubelet_version="v1.32.9")))
    assert found(state=old) == [("kubelet-too-old", "nodes/other")]
    assert found(state=with_node("worker-2", kubelet_version="v1.33.0")) == []
    assert found(state=with_node("worker-2", kubelet_version="v1.36.0")) == [("kubelet-newer-than-api-server", "nodes/worker-2")]


def test_every_node_is_ready_except_the_one_that_an_earlier_run_stopped_at() -> None:
    """A run continues at the host that failed."""
    assert found(state=with_node("worker-1", ready=False, reason="no network")) == [("node-not-ready", "nodes/worker-1")]
    assert found(state=with_node("worker-1", ready=False, unschedulable=True)) == [("node-not-ready", "nodes/worker-1")]
    assert found(state=with_node("worker-1", ready=False, drain_unfinished=True)) == []


def test_each_fault_of_etcd_is_a_problem() -> None:
    """A member, and what the API server says."""
    assert found(upgrade=replace(HEALTHY, etcd=("member a", "not reached"))) == [("etcd-not-healthy", "etcd")] * 2


def test_a_deprecated_api_counts_when_the_new_version_has_removed_it() -> None:
    """Not when a later version will."""
    requests = (DeprecatedRequest("x/v1beta1/things", (1, 36)), DeprecatedRequest("y/v1/others", (1, 37)))
    assert found(upgrade=replace(HEALTHY, deprecated=requests)) == [("deprecated-api-in-use", "apis/x/v1beta1/things")]


def test_a_running_feature_gate_that_the_new_version_refuses_is_a_problem() -> None:
    """The hint says which ConfigMap has it. 1.36 has no gate MemoryManager."""
    state = replace(RUNNING.state, kubelet={**RUNNING.state.kubelet, "featureGates": {"MemoryManager": True}})
    path = "configmaps/kubelet-config/featureGates/MemoryManager"
    assert found(state=state) == [("running-feature-gate-refused", path)]
    assert found(version=OLD, state=state) == []
    (problem,) = upgrade_problems(SPEC, RUNNING.facts, state, HEALTHY, {})
    assert problem.hint.endswith("edit configmap kubelet-config")


def test_the_metrics_of_an_api_server_are_read() -> None:
    """Lines as an API server prints them; a removal in no release is left out, and so is a line with an odd value."""
    metrics = """\
# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="flowcontrol.apiserver.k8s.io",removed_release="1.32",resource="flowschemas",subresource="",version="v1beta3"} 1
apiserver_requested_deprecated_apis{group="",removed_release="1.40",resource="things",subresource="status",version="v1"} 1
apiserver_requested_deprecated_apis{group="",removed_release="",resource="endpoints",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="z",removed_release="1.30",resource="gone",subresource="",version="v1"} 0
apiserver_requested_deprecated_apis{group="z",removed_release="soon",resource="gone",subresource="",version="v1"} 1
apiserver_request_total{group="z",removed_release="1.30"} 1
"""
    assert list(deprecated_requests(metrics)) == [
        DeprecatedRequest("flowcontrol.apiserver.k8s.io/v1beta3/flowschemas", (1, 32)),
        DeprecatedRequest("v1/things/status", (1, 40)),
    ]


def test_a_host_needs_space_for_what_it_lacks() -> None:
    """Three times the stored size; unknown free space is no problem."""
    assert found(missing={"worker-1": 1000}, disk_free=2999) == [("too-little-disk-to-upgrade", "hosts/worker-1/disk")]
    assert found(missing={"worker-1": 1000}, disk_free=3000) == []
    assert found(missing={"worker-1": 1000}, disk_free=0) == []


def test_a_host_that_is_no_member_is_a_problem() -> None:
    """It belongs to no cluster, or the cluster does not know it."""
    assert found(owner=None) == [("upgrade-without-cluster", "hosts/worker-1")]
    without = replace(RUNNING.state, nodes=RUNNING.state.nodes[:2])
    assert found(state=without) == [("upgrade-without-cluster", "hosts/worker-2")]
    assert no_cluster(SPEC).code == "upgrade-without-cluster"


def test_pods_that_a_drain_would_lose_are_found_before_the_first_host_changes() -> None:
    """With the codes of the drain."""
    loss = Problem("unmanaged-pod", "nodes/worker-1/pods/a/b", "", "")
    assert found(upgrade=replace(HEALTHY, losses=(loss,))) == [("unmanaged-pod", "nodes/worker-1/pods/a/b")]


def test_all_problems_are_reported_at_once() -> None:
    """One of each kind."""
    state = with_node("worker-2", ready=False, kubelet_version="v1.32.0")
    problems = found(version="v1.37.2", state=state, upgrade=UpgradeState("v1.31.0", ("down",)), missing={"cp-1": 1}, owner="other")
    assert len({code for code, _ in problems}) == 6
    assert {code for code, _ in problems} <= NOT_UPGRADED.keys()


@pytest.mark.parametrize(
    ("unavailable", "seconds", "switch", "paths"),
    [
        (1, 1, False, []),
        (0, 300, True, ["max_unavailable"]),
        (True, "300", "false", ["max_unavailable", "drain_seconds", "force"]),
        (1.5, -1, None, ["max_unavailable", "drain_seconds", "force"]),
        (5001, 10**9, False, ["max_unavailable", "drain_seconds"]),
    ],
)
def test_parameters_of_any_type_are_judged(unavailable: object, seconds: object, switch: object, paths: list[str]) -> None:
    """A form or a command line may send texts."""
    assert [problem.path for problem in setting_problems(unavailable, seconds, force=switch)] == paths


def test_versions_of_other_builds_are_read() -> None:
    """A suffix is ignored; other text is unknown."""
    assert parsed_version("v1.36.3-rc.1+abc") == (1, 36, 3)
    assert parsed_version("1.36") is None
    assert parsed_version("") is None
