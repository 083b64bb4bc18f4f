"""Setting and undoing on a real API server. A thread of the test is the Deployment's controller, because controllers need nodes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from cluster.vocabulary.errors import ClusterError, SixstackError
from kube.client import ApiRefused, Document, KubeApi
from kube.host_network import DeploymentName, check_deployments, set_host_network, undo_host_network
from kube.host_network.previous_state import ANNOTATION, has_host_network
from kube.wait import watch_objects

pytestmark = pytest.mark.bundle

LIMIT = timedelta(seconds=20)
SHORT = timedelta(seconds=2)


class Killed(BaseException):
    """The process ends here."""


class DyingApi:
    """The API of a process that is killed after its n-th change."""

    def __init__(self, api: KubeApi, changes: int) -> None:
        self._api, self._left = api, changes

    def merge(self, path: str, patch: Document) -> Document:
        """Like the real method, until the last change."""
        done = self._api.merge(path, patch)
        self._left -= 1
        if not self._left:
            raise Killed
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)


@dataclass
class Platform:
    """One Deployment in a separate namespace, and its controller."""

    api: KubeApi
    name: DeploymentName
    broken: bool = False  # pods with the host's network do not become available
    seen: list[tuple[int, bool]] = field(default_factory=list)  # (replicas, hostNetwork) as it changed
    _end: bool = False

    def deployment(self) -> Document:
        """The current Deployment."""
        return self.api.get(self.name.path)

    def shape(self) -> Shape:
        """Replicas, host network, DNS policy, and the phase in the annotation."""
        now = self.deployment()
        pod = now["spec"]["template"]["spec"]
        memory = now["metadata"].get("annotations", {}).get(ANNOTATION)
        return now["spec"]["replicas"], bool(pod.get("hostNetwork")), pod["dnsPolicy"], json.loads(memory)["phase"] if memory else None

    def control(self) -> None:
        """Do the work of the Deployment and ReplicaSet controllers. Deleted pods without a node disappear at once."""
        for found in watch_objects(self.api, self.name.collection, timedelta(minutes=5)):
            if self._end:
                return
            if self.name.name in found:
                with suppress(SixstackError):  # it changed meanwhile: the next event tells
                    self._act(found[self.name.name])

    def _act(self, now: Document) -> None:
        replicas, network = now["spec"]["replicas"], has_host_network(now)
        if not self.seen or self.seen[-1] != (replicas, network):
            self.seen.append((replicas, network))
        pods = self.api.get(self.name.pods)["items"]
        for pod in pods:
            self.api.delete(f"{self.name.pods}/{pod['metadata']['name']}")
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{self.name.name}-abc", "uid": str(uuid4())}
        for number in range(replicas):
            template = now["spec"]["template"]
            metadata = {
                "name": f"{self.name.name}-abc-{uuid4().hex[:5]}-{number}",
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner],
            }
            self.api.create(self.name.pods, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
        available = 0 if self.broken and network else replicas
        status = {"observedGeneration": now["metadata"]["generation"], "replicas": replicas, "updatedReplicas": replicas}
        if now.get("status") != (wanted := {**status, "readyReplicas": available, "availableReplicas": available}):
            self.api.merge(f"{self.name.path}/status", {"status": wanted})


@pytest.fixture
def platform(api: KubeApi) -> Iterator[Platform]:
    """Two replicas that listen on a port."""
    namespace = f"tke-{uuid4().hex[:8]}"
    api.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    made = Platform(api, DeploymentName(namespace, "tke-platform-api"))
    container = {"name": "main", "image": "registry.example.org/tke-platform-api:1", "ports": [{"containerPort": 9443}]}
    api.create(
        made.name.collection,
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": made.name.name, "annotations": {"theirs": "1"}},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"app": "api"}, "matchExpressions": [{"key": "app", "operator": "In", "values": ["api", "x"]}]},
                "template": {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [container]}},
            },
        },
    )
    controller = threading.Thread(target=made.control)
    controller.start()
    yield made
    made._end = True
    api.merge(made.name.path, {"metadata": {"annotations": {"theirs": "2"}}})
    controller.join()


Shape = tuple[int, bool, str, str | None]
BEFORE_IT: Shape = (2, False, "ClusterFirst", None)
SET: Shape = (2, True, "ClusterFirstWithHostNet", "set")


def quiet(_line: str) -> None:
    """Ignore progress."""


def test_pods_end_before_the_network_changes(platform: Platform) -> None:
    """Scale to 0, then set template and old number together. Other annotations stay, and a second run changes nothing."""
    told: list[str] = []
    assert set_host_network(platform.api, platform.name, LIMIT, told.append) == (
        "scaled to 0",
        "hostNetwork: true, 2 replica(s)",
        "available",
    )
    assert platform.shape() == SET
    assert platform.seen == [(2, False), (0, False), (2, True)]
    assert platform.deployment()["metadata"]["annotations"]["theirs"] == "1"
    assert any("2 replica(s) to 0" in line for line in told)
    assert set_host_network(platform.api, platform.name, LIMIT, quiet) == ()


def test_undo_restores_the_previous_state(platform: Platform) -> None:
    """Network and DNS policy, with the current number of pods and without the annotation. A second undo changes nothing."""
    set_host_network(platform.api, platform.name, LIMIT, quiet)
    platform.api.merge(platform.name.path, {"spec": {"replicas": 1}})
    assert undo_host_network(platform.api, platform.name, LIMIT, quiet)[-1] == "available"
    assert platform.shape() == (1, False, "ClusterFirst", None)
    assert undo_host_network(platform.api, platform.name, LIMIT, quiet) == ()


def test_a_failure_is_undone_and_reported(platform: Platform) -> None:
    """If the pods do not start with the host network, the previous state is restored and the error has the reason."""
    platform.broken = True
    with pytest.raises(ClusterError, match=r"0 of 2 available.*The previous state was restored"):
        set_host_network(platform.api, platform.name, SHORT, quiet)
    assert platform.shape() == BEFORE_IT


def test_a_change_by_another_program_is_set_again(platform: Platform) -> None:
    """A later undo restores the state at that time."""
    set_host_network(platform.api, platform.name, LIMIT, quiet)
    platform.api.merge(platform.name.path, {"spec": {"replicas": 3, "template": {"spec": {"hostNetwork": None, "dnsPolicy": "Default"}}}})
    set_host_network(platform.api, platform.name, LIMIT, quiet)
    assert platform.shape() == (3, True, "ClusterFirstWithHostNet", "set")
    undo_host_network(platform.api, platform.name, LIMIT, quiet)
    assert platform.shape() == (3, False, "Default", None)


@pytest.mark.parametrize("changes", [1, 2, 3])
@pytest.mark.parametrize("then", [set_host_network, undo_host_network], ids=["set", "undo"])
def test_a_run_that_is_killed_is_finished_or_undone(platform: Platform, changes: int, then: Callable[..., Any]) -> None:
    """After each change: no state is lost, and the Deployment never gets another number of pods."""
    with pytest.raises(Killed):
        set_host_network(DyingApi(platform.api, changes), platform.name, LIMIT, quiet)  # type: ignore[arg-type]
    (seen,), problems = check_deployments(platform.api, [platform.name], undo=then is undo_host_network)
    assert (seen.replicas, seen.unfinished) == (2, changes < 3)
    assert not [problem for problem in problems if problem.code != "no-node-for-deployment"]  # there are none
    then(platform.api, platform.name, LIMIT, quiet)
    assert platform.shape() == {set_host_network: SET, undo_host_network: BEFORE_IT}[then]


@pytest.mark.parametrize("then", [set_host_network, undo_host_network], ids=["set", "undo"])
def test_a_killed_undo_is_finished_or_reversed(platform: Platform, then: Callable[..., Any]) -> None:
    """The killed run had only stopped the pods."""
    set_host_network(platform.api, platform.name, LIMIT, quiet)
    with pytest.raises(Killed):
        undo_host_network(DyingApi(platform.api, 1), platform.name, LIMIT, quiet)  # type: ignore[arg-type]
    stopped: Shape = (0, True, "ClusterFirstWithHostNet", "undoing")
    assert platform.shape() == stopped
    then(platform.api, platform.name, LIMIT, quiet)
    assert platform.shape() == {set_host_network: SET, undo_host_network: BEFORE_IT}[then]


def test_a_deployment_with_0_replicas_keeps_0_replicas(platform: Platform) -> None:
    """Only its template changes."""
    platform.api.merge(platform.name.path, {"spec": {"replicas": 0}})
    set_host_network(platform.api, platform.name, LIMIT, quiet)
    assert platform.shape() == (0, True, "ClusterFirstWithHostNet", "set")


class TestCheckDeployments:
    """All problems that forbid the change are reported together."""

    def test_a_missing_deployment_is_reported(self, platform: Platform) -> None:
        """With namespace and name, together with the problems of other Deployments."""
        _, problems = check_deployments(platform.api, [DeploymentName("tke-none", "x"), platform.name], undo=False)
        assert (problems[0].code, problems[0].path) == ("no-such-deployment", "tke-none/x")
        assert "no-node-for-deployment" in {problem.code for problem in problems}

    def test_a_namespace_that_refuses_host_network_is_reported(self, platform: Platform) -> None:
        """The ReplicaSet could create no pod."""
        label = {"pod-security.kubernetes.io/enforce": "baseline"}
        platform.api.merge(f"/api/v1/namespaces/{platform.name.namespace}", {"metadata": {"labels": label}})
        _, problems = check_deployments(platform.api, [platform.name], undo=False)
        assert "host-network-not-admitted" in {problem.code for problem in problems}

    def test_the_maximum_of_an_autoscaler_counts(self, platform: Platform) -> None:
        """Enough nodes for the current replicas are not sufficient."""
        node = f"/api/v1/nodes/node-of-{platform.name.namespace}"
        platform.api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.rpartition("/")[2]}})
        platform.api.merge(node, {"spec": {"taints": None}})  # a new node is not ready yet
        target = {"kind": "Deployment", "name": platform.name.name, "apiVersion": "apps/v1"}
        scaler = {
            "apiVersion": "autoscaling/v1",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "scaler"},
            "spec": {"scaleTargetRef": target, "maxReplicas": 50},
        }
        try:
            platform.api.create(f"/apis/autoscaling/v1/namespaces/{platform.name.namespace}/horizontalpodautoscalers", scaler)
            _, problems = check_deployments(platform.api, [platform.name], undo=False)
            assert any(" 50 " in problem.message for problem in problems)
        finally:
            platform.api.delete(node)

    def test_undoing_a_change_of_another_program_is_refused(self, platform: Platform) -> None:
        """The previous state is unknown. A Deployment with the pod network has nothing to undo."""
        assert check_deployments(platform.api, [platform.name], undo=True)[1] == ()
        spec = {"template": {"spec": {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}}}
        platform.api.merge(platform.name.path, {"spec": spec})
        (problem,) = check_deployments(platform.api, [platform.name], undo=True)[1]
        assert problem.code == "nothing-remembered"

    def test_a_malformed_annotation_is_reported(self, platform: Platform) -> None:
        """Before any change."""
        platform.api.merge(platform.name.path, {"metadata": {"annotations": {ANNOTATION: "?"}}})
        assert "unreadable-annotation" in {problem.code for problem in check_deployments(platform.api, [platform.name], undo=False)[1]}
        with pytest.raises((ClusterError, ApiRefused)):
            set_host_network(platform.api, platform.name, SHORT, quiet)
