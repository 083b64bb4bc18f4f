"""Cordon, drain and uncordon a node, with the rules of `kubectl drain`.

Pods leave through the eviction API, so that PodDisruptionBudgets are respected
(https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/). Pods of DaemonSets and mirror pods stay: the first would come back
at once, the second are files of kubelet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from cluster.vocabulary.errors import ApiUnavailable, CannotApply, ClusterError
from cluster.vocabulary.problems import Problem
from kube.client import ApiRefused, Document, KubeApi, segment
from kube.conflicts import retry_conflicts
from kube.wait import NODES

# annotation of a node that sixstack cordoned: a node that its owner cordoned stays cordoned
CORDONED = "node.sixstack.io/cordoned"

ROUND = 1.0  # seconds between two looks at the pods of the node
AGAIN = 5.0  # seconds until a refused eviction is requested again, as kubectl does
FORCED = timedelta(seconds=60)  # for pods that were deleted at the limit, beyond their own grace period

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BlockedPod:
    """A pod that did not leave its node in time."""

    namespace: str
    name: str
    reason: str
    budget: str = ""  # the PodDisruptionBudgets that select the pod; "" without one
    disruptions_allowed: int | None = None  # the smallest of these budgets

    def __str__(self) -> str:
        budget = f" (budget {self.budget}, disruptions allowed: {self.disruptions_allowed})" if self.budget else ""
        return f"pod {self.namespace}/{self.name}{budget}: {self.reason}"


class DrainBlocked(ClusterError):
    """Pods are still on the node at the end of the time limit. `pods` lists all of them."""

    def __init__(self, node: str, seconds: float, pods: tuple[BlockedPod, ...]) -> None:
        self.node, self.seconds, self.pods = node, seconds, pods
        lines = [f"node {node} is not drained: {len(pods)} pod{'s are' if len(pods) > 1 else ' is'} still there after {seconds:.0f} s"]
        super().__init__("\n".join([*lines, *(f"- {pod}" for pod in pods)]))

    def __reduce__(self) -> tuple[type[DrainBlocked], tuple[str, float, tuple[BlockedPod, ...]]]:
        return type(self), (self.node, self.seconds, self.pods)


class DrainCancelled(ClusterError):
    """The run was cancelled during a drain."""


class DrainRefused(CannotApply):
    """Pods on the node would be lost. `problems` lists all of them."""

    headline = "the node is not drained, and no pod was evicted"


def cordon(api: KubeApi, node: str) -> bool:
    """Make a node unschedulable, and record that sixstack did. False when it is cordoned already, or does not exist."""
    return _set_schedulable(api, node, schedulable=False)


def uncordon(api: KubeApi, node: str) -> bool:
    """Make a node schedulable again if sixstack cordoned it, in this run or an earlier one. False for any other node."""
    return _set_schedulable(api, node, schedulable=True)


def drain(
    api: KubeApi,
    node: str,
    limit: timedelta,
    *,
    force: bool = False,
    report: Report | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[str, ...]:
    """Evict the pods of a cordoned node and wait until they are gone. Returns a phrase for each pod.

    Raises DrainRefused for pods that would be lost, and DrainBlocked with every pod that is still there after `limit`. With `force`, pods
    that would be lost are evicted too, and pods that are still protected after `limit` are deleted. DrainCancelled within a few seconds after
    `cancelled` is true.
    """
    problems = () if force else drain_problems(api, node)
    if problems:
        raise DrainRefused(problems)
    current = _Drain(api, node, report or (lambda _line: None), cancelled)
    left = current.evict(limit)
    if left and force:
        left = current.delete(left)
    if left:
        raise DrainBlocked(node, limit.total_seconds(), current.blocked(left))
    return tuple(f"pod {_name(pod)} moved" for pod in current.found.values())


def drain_problems(api: KubeApi, node: str) -> tuple[Problem, ...]:
    """The pods on a node that an eviction would lose: pods without a controller, and pods with data in an emptyDir."""
    return tuple(problem for pod in _pods_to_evict(api, node).values() if not _ended(pod) for problem in _losses(node, pod))


class _Drain:
    """One drain: the pods that were on the node at its beginning, and why each one is still there."""

    def __init__(self, api: KubeApi, node: str, report: Report, cancelled: Callable[[], bool]) -> None:
        self._api, self._node, self._report, self._cancelled = api, node, report, cancelled
        self.found = _pods_to_evict(api, node)  # by uid: a pod of a StatefulSet has the same name again elsewhere
        self._reasons: dict[str, str] = {}  # by uid, of refused evictions
        self._evicted: set[str] = set()

    def evict(self, limit: timedelta) -> dict[str, Document]:
        """Evict the pods and wait; the pods that are left at the end of the time limit."""
        end, again, left = time.monotonic() + limit.total_seconds(), 0.0, dict(self.found)
        while left:
            if time.monotonic() >= again:
                self._request_evictions(left)
                again = time.monotonic() + AGAIN
            left = self._still_there(left)
            if not left or time.monotonic() >= end:
                break
            time.sleep(max(0.0, min(ROUND, end - time.monotonic())))
        return left

    def delete(self, left: Mapping[str, Document]) -> dict[str, Document]:
        """Delete the pods that are left, whatever protects them, and wait for their grace periods; the pods that are left then."""
        remaining = dict(left)
        for uid, pod in left.items():
            self._require_not_cancelled()
            if uid not in self._evicted:
                self._report(f"deleting pod {_name(pod)}: {self._reasons.get(uid, 'not evicted')}")
                try:
                    self._api.request("DELETE", _path(pod), body={"preconditions": {"uid": uid}})
                except ApiRefused as refusal:
                    if refusal.status not in (404, 409):  # 409: another pod has the name now
                        raise
        grace = max((pod["spec"].get("terminationGracePeriodSeconds", 30) for pod in left.values()), default=0)
        end = time.monotonic() + grace + FORCED.total_seconds()
        while remaining and time.monotonic() < end:
            remaining = self._still_there(remaining)
            time.sleep(ROUND if remaining else 0)
        return remaining

    def blocked(self, left: Mapping[str, Document]) -> tuple[BlockedPod, ...]:
        """The pods that are left, with the budgets that select them."""
        budgets: dict[str, list[Document]] = {}
        blocked = []
        for uid, pod in left.items():
            namespace = pod["metadata"]["namespace"]
            if namespace not in budgets:
                budgets[namespace] = self._budgets(namespace)
            of_pod = [budget for budget in budgets[namespace] if _selects(budget["spec"].get("selector"), pod)]
            allowed = [int(budget.get("status", {}).get("disruptionsAllowed", 0)) for budget in of_pod]
            blocked.append(
                BlockedPod(
                    namespace,
                    pod["metadata"]["name"],
                    self._reasons.get(uid, "the pod is terminating"),
                    ", ".join(budget["metadata"]["name"] for budget in of_pod) if uid in self._reasons else "",
                    min(allowed, default=None) if uid in self._reasons else None,
                )
            )
        return tuple(blocked)

    def _budgets(self, namespace: str) -> list[Document]:
        """The budgets of a namespace; none when the API server does not answer now: the pods are reported in any case."""
        try:
            return list(self._api.get(f"/apis/policy/v1/namespaces/{segment(namespace)}/poddisruptionbudgets")["items"])
        except ApiUnavailable:
            return []

    def _request_evictions(self, left: Mapping[str, Document]) -> None:
        for uid, pod in left.items():
            self._require_not_cancelled()
            if uid in self._evicted:
                continue
            reason = self._evict(uid, pod)
            if reason is None:
                self._evicted.add(uid)
                self._reasons.pop(uid, None)
            elif self._reasons.get(uid) != reason:
                self._reasons[uid] = reason
                self._report(f"pod {_name(pod)} is not evicted yet: {reason}")

    def _evict(self, uid: str, pod: Document) -> str | None:
        """Why the pod cannot be evicted now; None when it is being deleted or gone.

        The eviction of a pod that is terminating already succeeds. A budget answers 429. A namespace that is being deleted answers 403 until its pods are deleted too.
        """
        metadata = {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]}
        options = {"preconditions": {"uid": uid}}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata, "deleteOptions": options}
        try:
            self._api.create(f"{_path(pod)}/eviction", body)
        except ApiRefused as refusal:
            return None if refusal.status == 404 else refusal.message
        except ApiUnavailable as unavailable:
            return str(unavailable)
        return None

    def _still_there(self, left: Mapping[str, Document]) -> dict[str, Document]:
        """Those of the pods that are still on the node, as they are now."""
        self._require_not_cancelled()
        try:
            now = _pods(self._api, self._node)
        except ApiUnavailable:
            return dict(left)
        return {uid: now[uid] for uid in left if uid in now}

    def _require_not_cancelled(self) -> None:
        if self._cancelled():
            raise DrainCancelled(f"node {self._node} is not drained: the run was cancelled")


def _set_schedulable(api: KubeApi, node: str, *, schedulable: bool) -> bool:
    path = f"{NODES}/{segment(node)}"

    def change() -> bool:
        found = api.find(path)
        if found is None:
            return False
        cordoned = bool(found["spec"].get("unschedulable", False))
        by_sixstack = CORDONED in found["metadata"].get("annotations", {})
        if (schedulable and not by_sixstack) or (not schedulable and cordoned):
            return False
        # with the resource version, a change by someone else at the same time is a conflict
        metadata = {"resourceVersion": found["metadata"]["resourceVersion"], "annotations": {CORDONED: None if schedulable else "true"}}
        api.merge(path, {"metadata": metadata, "spec": {"unschedulable": None if schedulable else True}})
        return True

    doing = f"{'un' if schedulable else ''}cordon"
    return retry_conflicts(change, ApiUnavailable(f"node {node} was changed by another program during each of 5 attempts to {doing} it"))


def _pods(api: KubeApi, node: str) -> dict[str, Document]:
    """The pods on a node by uid."""
    pods = api.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")["items"]
    return {pod["metadata"]["uid"]: pod for pod in pods}


def _pods_to_evict(api: KubeApi, node: str) -> dict[str, Document]:
    """The pods that a drain moves: all but mirror pods and pods of a DaemonSet that exists."""
    pods = _pods(api, node)
    if any(_controller(pod).get("kind") == "DaemonSet" for pod in pods.values()):
        daemon_sets = {document["metadata"]["uid"] for document in api.get("/apis/apps/v1/daemonsets")["items"]}
    else:
        daemon_sets = set()

    def stays(pod: Document) -> bool:
        mirror = "kubernetes.io/config.mirror" in pod["metadata"].get("annotations", {})
        return mirror or (_controller(pod).get("uid") in daemon_sets and not _ended(pod))

    return {uid: pod for uid, pod in pods.items() if not stays(pod)}


def _losses(node: str, pod: Document) -> list[Problem]:
    path = f"nodes/{node}/pods/{_name(pod)}"
    problems = []
    controller = _controller(pod)
    if not controller or controller.get("kind") == "DaemonSet":  # a DaemonSet that still exists keeps its pods, which are not evicted
        problems.append(
            Problem(
                "unmanaged-pod",
                path,
                f"pod {_name(pod)} has no controller that creates it again on another node",
                "move or delete the pod, or use force, which deletes it",
            )
        )
    if volumes := [volume["name"] for volume in pod["spec"].get("volumes", []) if "emptyDir" in volume]:
        problems.append(
            Problem(
                "pod-with-local-data",
                path,
                f"pod {_name(pod)} has data on the node in emptyDir {', '.join(volumes)}",
                "save the data if it is needed and delete the pod, or use force, which deletes the data",
            )
        )
    return problems


def _controller(pod: Document) -> Document:
    owners: list[Document] = pod["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), {})


def _ended(pod: Document) -> bool:
    """A pod that has ended has nothing to lose."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _name(pod: Document) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _path(pod: Document) -> str:
    return f"/api/v1/namespaces/{segment(pod['metadata']['namespace'])}/pods/{segment(pod['metadata']['name'])}"


def _selects(selector: Mapping[str, Any] | None, pod: Document) -> bool:
    """Whether a label selector selects a pod. In policy/v1, an empty selector selects every pod of the namespace, and no selector none."""
    if selector is None:
        return False
    labels: Mapping[str, str] = pod["metadata"].get("labels", {})
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", []))


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """One requirement of a selector: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#set-based-requirement."""
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:  # DoesNotExist
            return key not in labels
