"""What an upgrade reads from a real API server, and the settings that it writes there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kube.client import Document, KubeApi
from kube.kubeadm_settings import PLACES, write_settings
from kube.upgrade_state import read_upgrade_state

pytestmark = pytest.mark.bundle

CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps"
PODS = "/api/v1/namespaces/kube-system/pods"


def etcd_pod(api: KubeApi, name: str, *, ready: bool) -> None:
    """A member of etcd, as its mirror pod shows it."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    if api.find("/api/v1/namespaces/kube-system/serviceaccounts/default") is None:
        api.create("/api/v1/namespaces/kube-system/serviceaccounts", account)
    spec = {"containers": [{"name": "etcd", "image": "etcd:3"}]}
    api.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"component": "etcd"}}, "spec": spec})
    condition = {"type": "Ready", "status": "True" if ready else "False", "message": "" if ready else "its probe fails"}
    api.request("PATCH", f"{PODS}/{name}/status", body={"status": {"conditions": [condition]}}, content_type="application/merge-patch+json")


def test_a_healthy_server_has_a_version_and_nothing_to_tell(api: KubeApi) -> None:
    """No node is drained, so no pod is looked at."""
    state = read_upgrade_state(api, ())
    assert state.api_version.startswith("v1.")
    assert (state.etcd, state.losses) == ((), ())
    assert 0 < state.etcd_bytes < 2**30


def test_a_member_of_etcd_that_is_not_ready_is_named(api: KubeApi) -> None:
    """With the message of its condition; a Ready member is not."""
    etcd_pod(api, "etcd-a", ready=True)
    etcd_pod(api, "etcd-b", ready=False)
    try:
        assert read_upgrade_state(api, ()).etcd == ("member etcd-b is not Ready: its probe fails",)
    finally:
        for name in ("etcd-a", "etcd-b"):
            api.request("DELETE", f"{PODS}/{name}", body={"gracePeriodSeconds": 0})


def test_pods_that_would_be_lost_are_read_for_the_drained_nodes(api: KubeApi) -> None:
    """A pod without a controller."""
    node: Document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "upgraded"}}
    api.create("/api/v1/nodes", node)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "upgraded"}}
    api.create("/api/v1/namespaces", namespace)
    api.create(
        "/api/v1/namespaces/upgraded/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    )
    spec = {"nodeName": "upgraded", "containers": [{"name": "main", "image": "web:v1"}]}
    api.create("/api/v1/namespaces/upgraded/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "alone"}, "spec": spec})
    try:
        assert [problem.code for problem in read_upgrade_state(api, ("upgraded",)).losses] == ["unmanaged-pod"]
        assert read_upgrade_state(api, ()).losses == ()
    finally:
        api.request("DELETE", "/api/v1/namespaces/upgraded/pods/alone", body={"gracePeriodSeconds": 0})
        api.delete("/api/v1/nodes/upgraded")


def test_settings_are_written_once(api: KubeApi) -> None:
    """Other keys of the ConfigMap stay."""
    for name, (config_map, key) in PLACES.items():
        api.delete(f"{CONFIG_MAPS}/{config_map}")  # of another test
        api.create(
            CONFIG_MAPS,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": config_map}, "data": {key: "a: 1\n", "other": "stays"}},
        )
        document: dict[str, Any] = {"kind": "X", "a": {"b": [1, "2"]}}
        try:
            assert write_settings(api, name, document) is True
            assert write_settings(api, name, document) is False
            data = api.get(f"{CONFIG_MAPS}/{config_map}")["data"]
            assert json.loads(data[key]) == document
            assert data["other"] == "stays"
        finally:
            api.delete(f"{CONFIG_MAPS}/{config_map}")
