"""The port conflicts of pods with hostNetwork: pure functions of the documents of Deployments, nodes and pods.

With hostNetwork, every container port is a port of the node, and only one pod on a node can have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cluster.vocabulary.problems import Problem, Severity
from kube.client import Document
from kube.host_network.change import runs_for
from kube.host_network.names import DeploymentName

Port = tuple[int, str]  # number, protocol


@dataclass(frozen=True, slots=True)
class Move:
    """A Deployment that will get the host network."""

    name: DeploymentName
    deployment: Document
    replicas: int
    max_replicas: int  # maximum replicas of an autoscaler; at least `replicas`

    @property
    def pod(self) -> Document:
        """The pod spec of the template."""
        pod: Document = self.deployment["spec"]["template"]["spec"]
        return pod


def port_problems(moves: Sequence[Move], nodes: Sequence[Document], pods: Sequence[Document]) -> Iterator[Problem]:
    """A problem for each port that more pods need than nodes can provide it, with the pods that use the port."""
    taken = _ports_in_use(pods, moves)
    for move in moves:
        yield from _declaration_problems(move)
        candidates = [object_name(node) for node in nodes if _fits(move.pod, node)]
        for port in sorted(ports_of(move.pod)):
            yield from _move_problems(move, port, candidates, taken)
        if not candidates and move.max_replicas:
            yield Problem(
                "no-node-for-deployment",
                str(move.name),
                "no node is schedulable, matches the node selector and has only tolerated taints",
                "Uncordon a node, or change the node selector or the tolerations",
            )
    yield from _shared_port_problems(moves, nodes, taken)


def ports_of(pod: Document) -> set[Port]:
    """The declared ports of a pod, which are ports of the node with hostNetwork."""
    containers = [
        *pod.get("containers", []),
        *(container for container in pod.get("initContainers", []) if container.get("restartPolicy") == "Always"),
    ]
    return {
        (int(port["containerPort"]), str(port.get("protocol", "TCP"))) for container in containers for port in container.get("ports", [])
    }


def object_name(document: Document) -> str:
    """The name of an object."""
    return str(document["metadata"]["name"])


def _move_problems(move: Move, port: Port, candidates: Sequence[str], taken: dict[str, dict[Port, list[str]]]) -> Iterator[Problem]:
    holders = {node: taken.get(node, {}).get(port, []) for node in candidates}
    free = [node for node, pods in holders.items() if not pods]
    if move.max_replicas <= len(free) or not candidates:
        return
    at = str(move.name)
    demand = (
        f"{move.replicas} replica(s)"
        if move.replicas == move.max_replicas
        else f"{move.replicas} replica(s) (up to {move.max_replicas} by the autoscaler)"
    )
    if move.max_replicas > len(candidates):
        yield Problem(
            "host-port-collision",
            at,
            f"{demand} need {_port_text(port)} of a node each, but only {len(candidates)} node(s) can run them ({', '.join(candidates)})",
            f"Scale the Deployment to at most {len(free)} replica(s), or make more nodes schedulable",
        )
    if busy := [f"{', '.join(pods)} on {node}" for node, pods in holders.items() if pods]:
        yield Problem(
            "host-port-taken",
            at,
            f"{demand} need {_port_text(port)}, which other pods use: {'; '.join(busy)}",
            "Stop these pods, move them to other nodes, or change the port",
        )


def _shared_port_problems(moves: Sequence[Move], nodes: Sequence[Document], taken: dict[str, dict[Port, list[str]]]) -> Iterator[Problem]:
    """The ports for which there are enough nodes for each Deployment alone, but not for all together."""
    for port in sorted({port for move in moves for port in ports_of(move.pod)}):
        sharing = [move for move in moves if port in ports_of(move.pod) and move.max_replicas]
        candidates = [object_name(node) for node in nodes if any(_fits(move.pod, node) for move in sharing)]
        free = [node for node in candidates if not taken.get(node, {}).get(port)]
        # a Deployment with too few nodes for itself is reported by _move_problems
        if len(sharing) > 1 and max(move.max_replicas for move in sharing) <= len(free) < sum(move.max_replicas for move in sharing):
            wanted = " and ".join(f"{move.name} ({move.max_replicas})" for move in sharing)
            yield Problem(
                "host-port-collision",
                str(sharing[0].name),
                f"{wanted} need {_port_text(port)} of a node each, but the port is free on only {len(free)} node(s)",
                "Use another port for one of them, scale down, or make more nodes schedulable",
            )


def _declaration_problems(move: Move) -> Iterator[Problem]:
    at = str(move.name)
    for container in move.pod.get("containers", []):
        for port in container.get("ports", []):
            if port.get("hostPort") and port["hostPort"] != port["containerPort"]:
                yield Problem(
                    "host-port-differs",
                    at,
                    f"container {container['name']} maps port {port['hostPort']} of the node to its port {port['containerPort']}: "
                    "with hostNetwork both must be equal",
                    "Make hostPort and containerPort equal, or remove hostPort",
                )
    if not ports_of(move.pod):
        yield Problem(
            "no-port-declared",
            at,
            "the Deployment declares no container port: the ports that it uses on the node are unknown",
            "If its containers listen, declare their ports, so that collisions are found in advance",
            Severity.WARNING,
        )


def _ports_in_use(pods: Sequence[Document], moves: Sequence[Move]) -> dict[str, dict[Port, list[str]]]:
    """The used ports of each node with their pods, without the pods of the moved Deployments."""
    taken: dict[str, dict[Port, list[str]]] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName")
        ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        if not node or ended or any(runs_for(move.name, pod) for move in moves):
            continue
        for port in ports_of(pod["spec"]) if pod["spec"].get("hostNetwork") else _host_ports(pod["spec"]):
            taken.setdefault(node, {}).setdefault(port, []).append(f"pod {pod['metadata']['namespace']}/{object_name(pod)}")
    return taken


def _host_ports(pod: Document) -> set[Port]:
    return {
        (int(port["hostPort"]), str(port.get("protocol", "TCP")))
        for container in pod.get("containers", [])
        for port in container.get("ports", [])
        if port.get("hostPort")
    }


def _fits(pod: Document, node: Document) -> bool:
    """Whether cordons, taints and the node selector allow the pod. Affinities are not evaluated."""
    labels = node["metadata"].get("labels", {})
    spec = node.get("spec", {})
    taints = [taint for taint in spec.get("taints", []) if taint["effect"] in {"NoSchedule", "NoExecute"}]
    return (
        not spec.get("unschedulable")
        and all(labels.get(key) == value for key, value in pod.get("nodeSelector", {}).items())
        and all(any(_tolerates(toleration, taint) for toleration in pod.get("tolerations", [])) for taint in taints)
    )


def _tolerates(toleration: Document, taint: Document) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in {None, "", taint["key"]}
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))


def _port_text(port: Port) -> str:
    return f"port {port[0]}/{port[1]}"
