"""The checks before any change: whether the Deployments exist, and whether all their pods can have their ports on the nodes."""

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

# all codes of this package, for docs/reference/problems.md
PROBLEMS = {
    "no-such-deployment": "A Deployment does not exist in the cluster.",
    "duplicate-deployment": "A Deployment is listed twice.",
    "host-port-collision": "Two pods would need the same port of a node: there are more replicas than nodes, or two Deployments use one port.",
    "host-port-taken": "Other pods on the nodes already use the port.",
    "host-port-differs": "A container maps its port to a different port of the node, which hostNetwork does not allow.",
    "no-node-for-deployment": "No node can run the Deployment's pods, because of cordons, taints or the node selector.",
    "no-port-declared": "A Deployment declares no port, so port collisions cannot be found in advance.",
    "host-network-not-admitted": "The namespace enforces a pod security level that refuses hostNetwork.",
    "nothing-remembered": "Undo: the Deployment has hostNetwork, but this flow did not set it.",
    "unreadable-annotation": "The annotation with the previous state of a Deployment cannot be decoded.",
}

POD_SECURITY = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True, slots=True)
class DeploymentState:
    """The current state of one Deployment."""

    name: DeploymentName
    host_network: bool
    replicas: int  # the current number, or the stored number after an interrupted run
    unfinished: bool  # an earlier run was interrupted

    def as_row(self) -> dict[str, str]:
        """The row of the Deployment in a table."""
        return {
            "deployment": str(self.name),
            "network": "host" if self.host_network else "pod",
            "replicas": str(self.replicas),
            "state": "interrupted run" if self.unfinished else "complete",
        }


def check_deployments(
    api: KubeApi, names: Sequence[DeploymentName], *, undo: bool
) -> tuple[tuple[DeploymentState, ...], tuple[Problem, ...]]:
    """The state of the Deployments, and all problems that forbid the change. Read-only."""
    found = {name: api.find(name.path) for name in names}
    problems = [
        Problem(
            "no-such-deployment",
            str(name),
            f"there is no Deployment {name.name} in namespace {name.namespace}",
            "Write the name of an existing Deployment",
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
            problems.append(Problem("unreadable-annotation", str(name), str(error), "Correct the annotation, or remove it by hand"))
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
            "the Deployment has the host network, but this flow did not set it: the previous state is unknown",
            "Remove the Deployment from the list, or change it by hand",
        )


def _autoscaler_maximum(api: KubeApi, name: DeploymentName) -> int:
    """The maximum replicas of the HorizontalPodAutoscaler, or 0. An autoscaler is inactive while there are 0 replicas."""
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
            f"Set label {POD_SECURITY}=privileged on the namespace",
        )
