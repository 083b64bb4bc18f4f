"""Waiting by watch on a real API server."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from cluster.vocabulary.errors import ClusterError
from kube.client import Document, KubeApi
from kube.wait import wait_available, wait_gone, wait_nodes_ready, wait_rolled_out, wait_steady

pytestmark = pytest.mark.bundle

MAPS = "/api/v1/namespaces/default/configmaps"


def set_ready(api: KubeApi, name: str, status: str, message: str) -> None:
    """The status that kubelet would report."""
    condition = {"type": "Ready", "status": status, "message": message, "reason": "test"}
    api.merge(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [condition]}})


def test_a_node_that_joins_and_becomes_ready_ends_the_wait_at_once(api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress says what is missing, in kubelet's words, who goes on when it was said; the wait sleeps at no time, so its end is the event."""
    told: list[str] = []

    def kubelet(line: str) -> None:
        told.append(line)
        if line.endswith("has not joined"):
            api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "waited"}})
            set_ready(api, "waited", "False", "cni plugin not initialized")
        elif line.endswith("cni plugin not initialized"):
            set_ready(api, "waited", "True", "kubelet is posting ready status")

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", lambda _: pytest.fail("a poll"))
        wait_nodes_ready(api, ["waited"], timedelta(seconds=60), kubelet)
    api.delete("/api/v1/nodes/waited")
    assert told[0] == "nodes Ready: waiting for waited: has not joined"
    assert "nodes Ready: waiting for waited: cni plugin not initialized" in told
    assert told[-1] == "nodes Ready: done"


def test_the_timeout_error_lists_the_missing_nodes(api: KubeApi) -> None:
    """With the reason."""
    start = time.monotonic()
    with pytest.raises(ClusterError, match=r"not done after 1 s: nowhere: has not joined"):
        wait_nodes_ready(api, ["nowhere"], timedelta(seconds=1))
    assert time.monotonic() - start < 60


def test_a_daemon_set_is_rolled_out_when_its_newest_version_is_everywhere(api: KubeApi) -> None:
    """The status of an older generation does not count."""
    labels = {"app": "rolling"}
    document: Document = {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "rolling"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}},
        },
    }
    path = "/apis/apps/v1/namespaces/default/daemonsets"
    generation = api.create(path, document)["metadata"]["generation"]
    with pytest.raises(ClusterError, match="has not processed the newest version"):
        wait_rolled_out(api, "DaemonSet", "default", "rolling", limit=timedelta(seconds=1))
    status = {
        "observedGeneration": generation,
        "currentNumberScheduled": 2,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 2,
        "numberReady": 1,
        "numberAvailable": 1,
        "updatedNumberScheduled": 2,
    }
    api.merge(f"{path}/rolling/status", {"status": status})
    with pytest.raises(ClusterError, match="1 of 2 available"):
        wait_rolled_out(api, "DaemonSet", "default", "rolling", limit=timedelta(seconds=1))
    api.merge(f"{path}/rolling/status", {"status": {**status, "numberReady": 2, "numberAvailable": 2}})
    wait_rolled_out(api, "DaemonSet", "default", "rolling", limit=timedelta(seconds=5))


def test_pods_that_end_again_and_again_are_not_steady(api: KubeApi) -> None:
    """Such a pod is available for moments. The message has the kubelet's reason; a restart begins the wait again."""
    labels = {"app": "steady"}
    spec = {"containers": [{"name": "a", "image": "a"}]}
    daemon_set = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": spec}}
    api.create(
        "/apis/apps/v1/namespaces/default/daemonsets",
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "steady"}, "spec": daemon_set},
    )
    pods = "/api/v1/namespaces/default/pods"
    if api.find("/api/v1/namespaces/default/serviceaccounts/default") is None:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        api.create("/api/v1/namespaces/default/serviceaccounts", account)

    def status(restarts: int, **state: Document) -> None:
        container = {"name": "a", "image": "a", "imageID": "a", "restartCount": restarts, "ready": "running" in state, "state": state}
        api.merge(f"{pods}/steady-1/status", {"status": {"containerStatuses": [container]}})

    def wait(seconds: float) -> None:
        wait_steady(api, "DaemonSet", "default", "steady", steady=timedelta(seconds=1), limit=timedelta(seconds=seconds))

    with pytest.raises(ClusterError, match="none exists"):
        wait(1)
    api.create(pods, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "steady-1", "labels": labels}, "spec": spec})
    try:
        status(1, waiting={"reason": "CrashLoopBackOff", "message": "back-off 10s"})
        with pytest.raises(ClusterError, match=r"steady-1: a: CrashLoopBackOff: back-off 10s"):
            wait(1)
        status(2, running={})
        timer = threading.Timer(0.5, lambda: status(3, running={}))
        begin = time.monotonic()
        timer.start()
        wait(10)
        assert time.monotonic() - begin >= 1.4
        timer.join()
    finally:
        api.request("DELETE", f"{pods}/steady-1", body={"gracePeriodSeconds": 0})
        api.delete("/apis/apps/v1/namespaces/default/daemonsets/steady")


def test_a_deletion_ends_the_wait(api: KubeApi) -> None:
    """By the DELETED event. An object that never existed counts as removed."""
    api.create(MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "leaving"}})
    narrowed = {"fieldSelector": "metadata.name=leaving"}
    timer = threading.Timer(0.3, lambda: api.delete(f"{MAPS}/leaving"))
    timer.start()
    wait_gone(api, MAPS, timedelta(seconds=10), narrowed)
    timer.join()
    wait_gone(api, "/apis/example.org/v9/nothings", timedelta(seconds=5))


def test_a_deployment_is_available_with_the_condition_and_one_pod(api: KubeApi) -> None:
    """One of two pods is enough if the strategy allows one unavailable pod. 0 of 0 pods is not enough."""
    labels = {"app": "available"}
    container = {"name": "one", "image": "registry.k8s.io/pause:3.10.2"}
    path = "/apis/apps/v1/namespaces/default/deployments"
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    api.create(path, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "available"}, "spec": spec})
    said = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"}
    api.merge(f"{path}/available/status", {"status": {"conditions": [said]}})
    with pytest.raises(ClusterError, match=r"default/available: the controller has not processed"):
        wait_available(api, "default", "available", limit=timedelta(seconds=1))
    api.merge(f"{path}/available/status", {"status": {"replicas": 2, "readyReplicas": 1, "availableReplicas": 1, "conditions": [said]}})
    wait_available(api, "default", "available", limit=timedelta(seconds=5))
    api.delete(f"{path}/available")
