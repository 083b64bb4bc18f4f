"""The settings of components after an upgrade: the running ones, those of the file, and nothing that the new version does not know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cluster.kubeadm.documents import cluster_configuration
from cluster.plan.upgraded_settings import changed_names, upgraded_settings
from cluster.vocabulary.resolved_spec import ResolvedSpec
from tests.cluster.plan.test_upgrade import Simulated, cluster_of

SPEC = cluster_of(1, 1)
STATE = Simulated(SPEC).state


def spec_with(**kubeadm: Any) -> ResolvedSpec:
    """The file with other settings."""
    return ResolvedSpec.of(SPEC.model_copy(update={"kubeadm": SPEC.kubeadm.model_copy(update=kubeadm)}))


def arguments(document: dict[str, Any], component: str) -> dict[str, str]:
    """The arguments of a component."""
    section = document["etcd"]["local"] if component == "etcd" else document[component]
    return {entry["name"]: entry["value"] for entry in section["extraArgs"]}


def with_arguments(component: str, *entries: tuple[str, str]) -> dict[str, Any]:
    """The running ClusterConfiguration with further arguments."""
    document = cluster_configuration(SPEC)
    section = document[component]
    added = [{"name": name, "value": value} for name, value in entries]
    return {**document, component: {**section, "extraArgs": [*section["extraArgs"], *added]}}


def test_settings_that_agree_are_not_written() -> None:
    """The version alone is no difference: kubeadm writes it itself."""
    assert upgraded_settings(SPEC, STATE) == {}
    assert list(changed_names(SPEC, STATE)) == []


def test_an_argument_that_the_new_version_has_no_more_is_left_out() -> None:
    """1.37 has no concurrent-service-syncs. Others of the owner stay, also one that is there twice."""
    kept = [("profiling", "false"), ("a-hidden-argument", "1"), ("vmodule", "a=1"), ("vmodule", "b=2")]
    running = with_arguments("controllerManager", ("concurrent-service-syncs", "2"), *kept)
    at_37 = ResolvedSpec.of(SPEC.model_copy(update={"kubernetes_version": "1.37.2"}))
    changed = upgraded_settings(at_37, replace(STATE, kubeadm=running))
    assert list(changed) == ["cluster"]
    section = changed["cluster"]["controllerManager"]
    assert [entry for entry in running["controllerManager"]["extraArgs"] if entry["name"] != "concurrent-service-syncs"] == section[
        "extraArgs"
    ]
    assert {key: value for key, value in changed["cluster"].items() if key != "controllerManager"} == {
        key: value for key, value in running.items() if key != "controllerManager"
    }
    assert upgraded_settings(SPEC, replace(STATE, kubeadm=running)) == {}  # 1.36 still has it


def test_the_file_adds_and_changes_arguments() -> None:
    """Other sections, such as the names in certificates, stay as they run."""
    running = {**with_arguments("apiServer", ("event-ttl", "2h0m0s")), "certificateValidityPeriod": "100h"}
    wanted = spec_with(extra_args={"apiserver": {"event-ttl": "3h", "profiling": "false"}, "etcd": {"quota-backend-bytes": "4294967296"}})
    changed = upgraded_settings(wanted, replace(STATE, kubeadm=running))["cluster"]
    assert arguments(changed, "apiServer") == {"event-ttl": "3h", "profiling": "false"}
    assert arguments(changed, "etcd") == {"quota-backend-bytes": "4294967296"}
    assert changed["certificateValidityPeriod"] == "100h"
    assert changed["kubernetesVersion"] == running["kubernetesVersion"]
    assert running["apiServer"]["extraArgs"] == [{"name": "event-ttl", "value": "2h0m0s"}], "the state is not changed"


def test_kubelet_and_kube_proxy_keep_what_the_file_does_not_name() -> None:
    """kubeadm's defaults and its way to write durations are no difference."""
    state = replace(
        STATE,
        kubelet={**STATE.kubelet, "syncFrequency": "1m0s", "maxPods": 200},
        kube_proxy={**STATE.kube_proxy, "conntrack": {"min": None}, "healthzBindAddress": "0.0.0.0:10256"},
    )
    assert upgraded_settings(spec_with(kubelet={"syncFrequency": "60s"}), state) == {}
    changed = upgraded_settings(spec_with(kubelet={"maxPods": 150}), state)
    assert changed == {"kubelet": {**state.kubelet, "maxPods": 150}}
    assert list(changed_names(spec_with(kubelet={"maxPods": 150}), state)) == ["kubelet.maxPods"]


def test_an_unknown_document_is_not_replaced() -> None:
    """A ConfigMap that the owner removed or wrote anew."""
    state = replace(STATE, kubeadm={}, kubelet={}, kube_proxy={})
    assert upgraded_settings(spec_with(kubelet={"maxPods": 150}), state) == {}
