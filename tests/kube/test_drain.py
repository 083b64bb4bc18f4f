"""Cordon and drain on a real API server. No kubelet runs there: pods without a grace period go at once, others stay terminating."""

from __future__ import annotations

import itertools
import pickle
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from cluster.vocabulary.errors import SixstackError
from kube.client import Document, KubeApi
from kube.drain import (
    CORDONED,
    BlockedPod,
    DrainBlocked,
    DrainCancelled,
    DrainRefused,
    _selects,
    cordon,
    drain,
    drain_problems,
    uncordon,
)
from kube.state import node_state

SECOND = timedelta(seconds=1)
SOON = timedelta(seconds=10)
REPLICA_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "0", "controller": True}


class Place:
    """A node and a namespace of one test."""

    numbers = itertools.count()

    def __init__(self, api: KubeApi) -> None:
        self.api, self.name = api, f"draining-{next(self.numbers)}"
        api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}})
        api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        api.create(f"/api/v1/namespaces/{self.name}/serviceaccounts", account)

    @property
    def pods(self) -> str:
        """The path of the namespace's pods."""
        return f"/api/v1/namespaces/{self.name}/pods"

    def node(self) -> Document:
        """The Node object."""
        return self.api.get(f"/api/v1/nodes/{self.name}")

    def pod(self, name: str, *, owner: Document | None = REPLICA_SET, grace: int = 0, phase: str = "Running", **spec: Any) -> Document:
        """A Ready pod with the label app=NAME on the node."""
        metadata: Document = {"name": name, "labels": {"app": name}, "ownerReferences": [owner] if owner else []}
        container = {"name": "main", "image": "web:v1"}
        document = {"nodeName": self.name, "containers": [container], "terminationGracePeriodSeconds": grace, **spec}
        made = self.api.create(self.pods, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": document})
        status = {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}
        self.api.merge(f"{self.pods}/{name}/status", {"status": status})
        return made

    def budget(self, name: str, app: str, *, allowed: int = 0) -> None:
        """A budget for the pods with this label, as the disruption controller would report it."""
        path = f"/apis/policy/v1/namespaces/{self.name}/poddisruptionbudgets"
        selector = {"matchLabels": {"app": app}}
        metadata = {"name": name}
        body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata}
        if self.api.find(f"{path}/{name}") is None:
            self.api.create(path, {**body, "spec": {"minAvailable": 1, "selector": selector}})
        counts = {"disruptionsAllowed": allowed, "currentHealthy": 1 + allowed, "desiredHealthy": 1, "expectedPods": 1 + allowed}
        self.api.merge(f"{path}/{name}/status", {"status": {**counts, "observedGeneration": 1}})

    def names(self) -> set[str]:
        """The names of the pods that are there."""
        return {pod["metadata"]["name"] for pod in self.api.get(self.pods)["items"]}


@pytest.fixture
def place(api: KubeApi) -> Iterator[Place]:
    """A new node without pods."""
    made = Place(api)
    yield made
    for name in made.names():
        api.request("DELETE", f"{made.pods}/{name}", body={"gracePeriodSeconds": 0})
    api.delete(f"/api/v1/nodes/{made.name}")


pytestmark = pytest.mark.bundle


def test_a_node_is_cordoned_once_and_uncordoned(place: Place) -> None:
    """The second cordon and the second uncordon change nothing."""
    assert [cordon(place.api, place.name), cordon(place.api, place.name)] == [True, False]
    assert place.node()["spec"]["unschedulable"] is True
    assert node_state(place.node()).drain_unfinished
    assert [uncordon(place.api, place.name), uncordon(place.api, place.name)] == [True, False]
    assert "unschedulable" not in place.node()["spec"]
    assert CORDONED not in place.node()["metadata"].get("annotations", {})


def test_a_node_that_its_owner_cordoned_stays_cordoned(place: Place) -> None:
    """sixstack uncordons only what it cordoned."""
    place.api.merge(f"/api/v1/nodes/{place.name}", {"spec": {"unschedulable": True}})
    assert cordon(place.api, place.name) is False
    assert uncordon(place.api, place.name) is False
    assert place.node()["spec"]["unschedulable"] is True
    assert not node_state(place.node()).drain_unfinished


def test_a_node_that_does_not_exist_is_neither_cordoned_nor_drained(api: KubeApi) -> None:
    """Another program removed it."""
    assert cordon(api, "no-such-node") is False
    assert uncordon(api, "no-such-node") is False
    assert drain(api, "no-such-node", SOON) == ()


def test_pods_are_evicted_and_those_of_daemon_sets_and_files_stay(place: Place) -> None:
    """A pod that has ended has nothing to lose, and goes too. So does the pod of a DaemonSet that is gone, with force."""
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "main", "image": "agent:v1"}]}}
    made = place.api.create(
        f"/apis/apps/v1/namespaces/{place.name}/daemonsets",
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "agent"},
            "spec": {"selector": {"matchLabels": {"app": "agent"}}, "template": template},
        },
    )
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "agent", "uid": made["metadata"]["uid"], "controller": True}
    place.pod("agent", owner=owner, volumes=[{"name": "scratch", "emptyDir": {}}])
    place.pod("web")
    place.pod("done", owner=None, phase="Succeeded")
    place.api.create(
        place.pods,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "static", "annotations": {"kubernetes.io/config.mirror": "a"}},
            "spec": {"nodeName": place.name, "containers": [{"name": "main", "image": "static:v1"}]},
        },
    )
    place.pod("orphan", owner={**owner, "uid": "gone"})
    assert [(problem.code, problem.path) for problem in drain_problems(place.api, place.name)] == [
        ("unmanaged-pod", f"nodes/{place.name}/pods/{place.name}/orphan")
    ]
    moved = drain(place.api, place.name, SOON, force=True)
    assert place.names() == {"agent", "static"}
    assert moved == tuple(f"pod {place.name}/{name} moved" for name in ("done", "orphan", "web"))


def test_pods_that_would_be_lost_are_all_reported_and_nothing_is_evicted(place: Place) -> None:
    """A pod without a controller and a pod with an emptyDir; with force, both go."""
    place.pod("bare", owner=None)
    place.pod("scratch", volumes=[{"name": "cache", "emptyDir": {}}])
    place.pod("both", owner=None, volumes=[{"name": "cache", "emptyDir": {}}])
    place.pod("web")
    with pytest.raises(DrainRefused) as refused:
        drain(place.api, place.name, SOON)
    path = f"nodes/{place.name}/pods/{place.name}"
    assert {(problem.code, problem.path) for problem in refused.value.problems} == {
        ("unmanaged-pod", f"{path}/bare"),
        ("unmanaged-pod", f"{path}/both"),
        ("pod-with-local-data", f"{path}/scratch"),
        ("pod-with-local-data", f"{path}/both"),
    }
    assert place.names() == {"bare", "scratch", "both", "web"}
    drain(place.api, place.name, SOON, force=True)
    assert place.names() == set()


def test_every_pod_that_a_budget_protects_is_reported_with_its_budget(place: Place) -> None:
    """Pods without a budget go. All blocked pods are in one error, which can be pickled."""
    for app in ("web", "store"):
        place.pod(app)
        place.budget(f"{app}-budget", app)
    place.pod("free")
    lines: list[str] = []
    with pytest.raises(DrainBlocked) as blocked:
        drain(place.api, place.name, SECOND, report=lines.append)
    assert place.names() == {"web", "store"}
    again = pickle.loads(pickle.dumps(blocked.value))
    assert {(pod.namespace, pod.name, pod.budget, pod.disruptions_allowed) for pod in again.pods} == {
        (place.name, "web", "web-budget", 0),
        (place.name, "store", "store-budget", 0),
    }
    assert all("needs 1 healthy pods and has 1 currently" in pod.reason for pod in again.pods)
    assert f"pod {place.name}/web (budget web-budget, disruptions allowed: 0)" in str(again)
    assert len(lines) == 2  # once for each reason, not in each round


def test_a_pod_with_two_budgets_is_reported_with_both(place: Place) -> None:
    """The API server answers 500 for them: it does not know which one to count."""
    place.pod("web")
    place.budget("first", "web", allowed=1)
    place.budget("second", "web", allowed=0)
    with pytest.raises(DrainBlocked) as blocked:
        drain(place.api, place.name, SECOND)
    (pod,) = blocked.value.pods
    assert (pod.budget, pod.disruptions_allowed) == ("first, second", 0)


def test_a_refused_eviction_is_requested_again_until_the_budget_allows_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as another replica is healthy elsewhere."""
    monkeypatch.setattr("kube.drain.AGAIN", 0.3)
    place.pod("web")
    place.budget("web-budget", "web")
    timer = threading.Timer(0.7, lambda: place.budget("web-budget", "web", allowed=1))
    timer.start()
    drain(place.api, place.name, SOON)
    timer.join()
    assert place.names() == set()


def test_force_deletes_what_a_budget_protects_once_the_limit_is_over(place: Place) -> None:
    """Until then the budget is respected."""
    place.pod("web")
    place.budget("web-budget", "web")
    begin = time.monotonic()
    drain(place.api, place.name, SECOND, force=True)
    assert time.monotonic() - begin >= 1
    assert place.names() == set()


def test_a_cancelled_drain_ends_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waits for a budget, and before the first eviction."""
    monkeypatch.setattr("kube.drain.ROUND", 0.1)
    place.pod("web")
    place.budget("web-budget", "web")
    begin = time.monotonic()
    with pytest.raises(DrainCancelled):
        drain(place.api, place.name, timedelta(seconds=60), cancelled=lambda: time.monotonic() > begin + 0.5)
    assert time.monotonic() - begin < 5
    place.budget("web-budget", "web", allowed=1)
    for force in (False, True):
        with pytest.raises(DrainCancelled):
            drain(place.api, place.name, SECOND, force=force, cancelled=lambda: True)
    assert place.names() == {"web"}


def test_terminating_pods_are_awaited(place: Place) -> None:
    """Also those that began to terminate before; the test stands in for kubelet, which removes them."""
    for name in ("before", "now"):
        place.pod(name, grace=30)
    place.api.delete(f"{place.pods}/before")

    def stop() -> None:
        for name in ("before", "now"):
            place.api.request("DELETE", f"{place.pods}/{name}", body={"gracePeriodSeconds": 0})

    timer = threading.Timer(1.5, stop)
    timer.start()
    begin = time.monotonic()
    drain(place.api, place.name, SOON)
    timer.join()
    assert time.monotonic() - begin >= 1.5
    assert place.names() == set()


def test_a_pod_that_does_not_end_is_reported_as_terminating(place: Place) -> None:
    """Its kubelet may be away. It is not a budget that holds it."""
    place.pod("stuck", grace=30)
    place.budget("stuck-budget", "stuck", allowed=1)
    with pytest.raises(DrainBlocked) as blocked:
        drain(place.api, place.name, SECOND)
    assert blocked.value.pods == (BlockedPod(place.name, "stuck", "the pod is terminating"),)


def test_the_new_pod_of_a_stateful_set_is_not_evicted_from_its_new_node(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the name of the pod that left. The eviction names the uid, and the pod with another uid counts as gone."""
    monkeypatch.setattr("kube.drain.AGAIN", 0.3)
    place.pod("store")
    place.budget("store-budget", "store")

    def move() -> None:
        place.api.request("DELETE", f"{place.pods}/store", body={"gracePeriodSeconds": 0})
        place.pod("store", nodeName="elsewhere")
        place.budget("store-budget", "store", allowed=1)

    timer = threading.Timer(0.7, move)
    timer.start()
    drain(place.api, place.name, SOON)
    timer.join()
    assert place.names() == {"store"}
    assert "deletionTimestamp" not in place.api.get(f"{place.pods}/store")["metadata"]


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "store"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "store"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_budget_selects_pods_as_the_api_server_does(selector: Document | None, selected: bool) -> None:
    """In policy/v1, the empty selector selects every pod."""
    assert _selects(selector, {"metadata": {"labels": {"app": "web"}}}) is selected


def test_the_error_of_a_drain_belongs_to_the_tree() -> None:
    """A caller can act on it."""
    assert isinstance(DrainBlocked("a", 1, (BlockedPod("n", "p", "r"),)), SixstackError)
