"""Checks before any change: do the Deployments exist, and can all their pods have their ports on the nodes?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.problems import Problem
from kube.client import Document, KubeApi, segment
from kube.host_network.names import DeploymentName
from kube.host_network.ports import Move, port_problems
from kube.host_network.previous_state import Phase, decode_state, has_host_network, replicas_of
from kube.wait import NODES

# every code of this package; docs/reference/problems.md lists them
PROBLEMS = {
    "no-such-deployment": "A Deployment is not in the cluster.",
    "duplicate-deployment": "A Deployment is named twice.",
    "host-port-collision": "Two pods would want one port of a node: more replicas than nodes, or two Deployments with one port.",
    "host-port-taken": "Other pods of the nodes have the port already.",
    "host-port-differs": "A container maps another port of the node than its own, which hostNetwork does not allow.",
    "no-node-for-deployment": "No node can take the Deployment's pods: cordons, taints, its node selector.",
    "no-port-declared": "A Deployment declares no port, so that collisions cannot be seen before they happen.",
    "host-network-not-admitted": "The namespace enforces a pod security level that refuses hostNetwork.",
    "nothing-remembered": "To undo: the Deployment has hostNetwork, and not by this flow.",
    "unreadable-annotation": "What a Deployment remembers of its former state cannot be read.",
}

POD_SECURITY = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """One Deployment that exists."""

    name: DeploymentName
    host_network: bool
    replicas: int  # the current number, or the number to restore
    unfinished: bool  # a run was killed before its end

    def as_row(self) -> dict[str, str]:
        """The row of a table."""
        return {
            "deployment": str(self.name),
            "network": "the host's" if self.host_network else "the pods'",
            "replicas": str(self.replicas),
            "state": "a run was ended in the middle" if self.unfinished else "whole",
        }


def check_deployments(
    api: KubeApi, names: Sequence[DeploymentName], *, undo: bool
) -> tuple[tuple[DeploymentState, ...], tuple[Problem, ...]]:
    """The current Deployments, and all problems that forbid the change; read-only."""
    found = {name: api.find(name.path) for name in names}
    problems = [
        Problem(
            "no-such-deployment", str(name), f"there is no Deployment {name.name} in namespace {name.namespace}", "name one that is there"
        )
        for name, deployment in found.items()
        if deployment is None
    ]
    there = {name: deployment for name, deployment in found.items() if deployment is not None}
    states = []
    moves = []
    for name, deployment in there.items():
        try:
            state = _state(name, deployment)
        except ClusterError as error:
            problems.append(Problem("unreadable-annotation", str(name), str(error), "nothing is changed before it can be read"))
            continue
        states.append(state)
        if undo:
            problems += _undo_problems(deployment, state)
        elif not state.host_network or state.unfinished:
            maximum = max(state.replicas, _autoscaler_maximum(api, name))
            moves.append(Move(name, deployment, state.replicas, maximum))
            problems += _admission_problems(api, name)
    if moves:
        problems += port_problems(moves, api.get(NODES)["items"], api.get("/api/v1/pods")["items"])
    return tuple(states), tuple(problems)


def _state(name: DeploymentName, deployment: Document) -> DeploymentState:
    before = decode_state(deployment)
    unfinished = before is not None and before.phase is not Phase.SET
    replicas = before.replicas if before is not None and unfinished else replicas_of(deployment)
    return DeploymentState(name, has_host_network(deployment), replicas, unfinished)


def _undo_problems(deployment: Document, state: DeploymentState) -> Iterator[Problem]:
    if state.host_network and decode_state(deployment) is None:
        yield Problem(
            "nothing-remembered",
            str(state.name),
            "it has the host's network, and this flow did not give it: what was before is not known",
            "leave it out, or change it by hand",
        )


def _autoscaler_maximum(api: KubeApi, name: DeploymentName) -> int:
    """The maximum replicas of a HorizontalPodAutoscaler; 0 without one. An autoscaler pauses while there are 0 replicas."""
    scalers = (api.find(f"/apis/autoscaling/v1/namespaces/{segment(name.namespace)}/horizontalpodautoscalers") or {}).get("items", [])
    targets = [(scaler["spec"]["scaleTargetRef"], int(scaler["spec"]["maxReplicas"])) for scaler in scalers]
    return max((maximum for target, maximum in targets if (target["kind"], target["name"]) == ("Deployment", name.name)), default=0)


def _admission_problems(api: KubeApi, name: DeploymentName) -> Iterator[Problem]:
    namespace = api.find(f"/api/v1/namespaces/{segment(name.namespace)}") or {}
    level = namespace.get("metadata", {}).get("labels", {}).get(POD_SECURITY, "privileged")
    if level != "privileged":
        yield Problem(
            "host-network-not-admitted",
            str(name),
            f"namespace {name.namespace} enforces pod security `{level}`, which refuses pods with hostNetwork",
            f"set label {POD_SECURITY}=privileged on the namespace",
        )
