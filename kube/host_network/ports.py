"""The pods that cannot have their ports on the nodes: pure functions of the documents of Deployments, nodes and pods.

With hostNetwork every container port is a port of the node, and one node gives it to one pod.
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
    """A Deployment that is to get the host network."""

    name: DeploymentName
    deployment: Document
    replicas: int
    most: int  # maximum replicas of an autoscaler; at least `replicas`

    @property
    def pod(self) -> Document:
        """The pod spec of the template."""
        pod: Document = self.deployment["spec"]["template"]["spec"]
        return pod


def port_problems(moves: Sequence[Move], nodes: Sequence[Document], pods: Sequence[Document]) -> Iterator[Problem]:
    """Each port that is wanted more often than the nodes can provide it, with the pods that have it."""
    taken = _taken(pods, moves)
    for move in moves:
        yield from _declared(move)
        fit = [name_of(node) for node in nodes if _fits(move.pod, node)]
        for port in sorted(ports_of(move.pod)):
            yield from _one_move(move, port, fit, taken)
        if not fit and move.most:
            yield Problem(
                "no-node-for-deployment",
                str(move.name),
                "no node is schedulable, has the labels that it selects and no taint that it does not tolerate",
                "uncordon a node, or change the selector or the tolerations",
            )
    yield from _between(moves, nodes, taken)


def ports_of(pod: Document) -> set[Port]:
    """The declared ports that a pod with hostNetwork has on its node."""
    containers = [*pod.get("containers", []), *(one for one in pod.get("initContainers", []) if one.get("restartPolicy") == "Always")]
    return {(int(port["containerPort"]), str(port.get("protocol", "TCP"))) for one in containers for port in one.get("ports", [])}


def name_of(document: Document) -> str:
    """The name of an object."""
    return str(document["metadata"]["name"])


def _one_move(move: Move, port: Port, fit: Sequence[str], taken: dict[str, dict[Port, list[str]]]) -> Iterator[Problem]:
    holders = {node: taken.get(node, {}).get(port, []) for node in fit}
    free = [node for node, held in holders.items() if not held]
    if move.most <= len(free) or not fit:
        return
    at = str(move.name)
    asked = f"{move.replicas} replica(s)" if move.replicas == move.most else f"{move.replicas} replica(s), {move.most} by its autoscaler,"
    if move.most > len(fit):
        yield Problem(
            "host-port-collision",
            at,
            f"{asked} want {_words(port)} of a node each, and {len(fit)} node(s) can take them ({', '.join(fit)}): two would want one port",
            f"scale it to {len(free)} at most, or make more nodes schedulable",
        )
    if busy := [f"{', '.join(held)} on {node}" for node, held in holders.items() if held]:
        yield Problem(
            "host-port-taken",
            at,
            f"{asked} want {_words(port)}, which others have: {'; '.join(busy)}",
            "stop those, move them to other nodes, or change the port",
        )


def _between(moves: Sequence[Move], nodes: Sequence[Document], taken: dict[str, dict[Port, list[str]]]) -> Iterator[Problem]:
    """Two Deployments for which the nodes are enough one by one, but not together."""
    for port in sorted({port for move in moves for port in ports_of(move.pod)}):
        sharing = [move for move in moves if port in ports_of(move.pod) and move.most]
        fit = [name_of(node) for node in nodes if any(_fits(move.pod, node) for move in sharing)]
        free = [node for node in fit if not taken.get(node, {}).get(port)]
        # a Deployment that has too few nodes on its own is reported above
        if len(sharing) > 1 and max(move.most for move in sharing) <= len(free) < sum(move.most for move in sharing):
            wanted = " and ".join(f"{move.name} ({move.most})" for move in sharing)
            yield Problem(
                "host-port-collision",
                str(sharing[0].name),
                f"{wanted} want {_words(port)} of a node each, and {len(free)} node(s) have it free: two would want one port",
                "give one of them another port, scale down, or make more nodes schedulable",
            )


def _declared(move: Move) -> Iterator[Problem]:
    at = str(move.name)
    for container in move.pod.get("containers", []):
        for port in container.get("ports", []):
            if port.get("hostPort") and port["hostPort"] != port["containerPort"]:
                yield Problem(
                    "host-port-differs",
                    at,
                    f"container {container['name']} maps port {port['hostPort']} of the node to its port {port['containerPort']}: "
                    "with hostNetwork they have to be one",
                    "make hostPort and containerPort equal, or take hostPort away",
                )
    if not ports_of(move.pod):
        yield Problem(
            "no-port-declared",
            at,
            "it declares no container port: which ports of the node it takes is not known",
            "if it listens, declare its ports, and collisions are found before they happen",
            Severity.WARNING,
        )


def _taken(pods: Sequence[Document], moves: Sequence[Move]) -> dict[str, dict[Port, list[str]]]:
    """The ports of each node with the pods that have them, without the pods of the Deployments that move."""
    taken: dict[str, dict[Port, list[str]]] = {}
    for pod in pods:
        node = pod["spec"].get("nodeName")
        ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        if not node or ended or any(runs_for(move.name, pod) for move in moves):
            continue
        for port in ports_of(pod["spec"]) if pod["spec"].get("hostNetwork") else _mapped(pod["spec"]):
            taken.setdefault(node, {}).setdefault(port, []).append(f"pod {pod['metadata']['namespace']}/{name_of(pod)}")
    return taken


def _mapped(pod: Document) -> set[Port]:
    return {
        (int(port["hostPort"]), str(port.get("protocol", "TCP")))
        for container in pod.get("containers", [])
        for port in container.get("ports", [])
        if port.get("hostPort")
    }


def _fits(pod: Document, node: Document) -> bool:
    """Whether cordons, taints and the node selector allow the pod; affinities are left to the scheduler."""
    labels = node["metadata"].get("labels", {})
    spec = node.get("spec", {})
    taints = [taint for taint in spec.get("taints", []) if taint["effect"] in {"NoSchedule", "NoExecute"}]
    return (
        not spec.get("unschedulable")
        and all(labels.get(key) == value for key, value in pod.get("nodeSelector", {}).items())
        and all(any(_tolerates(one, taint) for one in pod.get("tolerations", [])) for taint in taints)
    )


def _tolerates(toleration: Document, taint: Document) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in {None, "", taint["key"]}
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))


def _words(port: Port) -> str:
    return f"port {port[0]}/{port[1]}"
