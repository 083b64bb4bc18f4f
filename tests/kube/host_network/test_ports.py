"""Pods that need the same port of a node are found before the change."""

from __future__ import annotations

from typing import Any

from cluster.vocabulary.problems import Problem, Severity
from kube.client import Document
from kube.host_network.names import DeploymentName
from kube.host_network.ports import Move, port_problems, ports_of

API, CONTROLLER = DeploymentName("tke", "api"), DeploymentName("tke", "controller")
CONTROL_PLANE = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}


def node(name: str, **spec: Any) -> Document:
    """A node."""
    return {"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": spec}


NODES = [node("a", taints=[CONTROL_PLANE]), node("b"), node("c")]


def containers(*ports: int, **port: Any) -> list[Document]:
    """A pod spec with one container and these ports."""
    return [{"name": "main", "ports": [{"containerPort": number, **port} for number in ports]}]


def move(name: DeploymentName, *ports: int, replicas: int = 1, max_replicas: int | None = None, **pod: Any) -> Move:
    """A Deployment that will get the host network."""
    document = {"spec": {"template": {"spec": {"containers": containers(*ports), **pod}}}}
    return Move(name, document, replicas, max_replicas if max_replicas is not None else replicas)


def pod(name: str, on: str, *ports: int, phase: str = "Running", owner: str = "", host_network: bool = True, **port: Any) -> Document:
    """A running pod."""
    owners = [{"kind": "ReplicaSet", "name": owner}] if owner else []
    spec = {"nodeName": on, "hostNetwork": host_network, "containers": containers(*ports, **port)}
    return {"metadata": {"namespace": "tke", "name": name, "ownerReferences": owners}, "spec": spec, "status": {"phase": phase}}


def found(moves: list[Move], pods: list[Document] | None = None, nodes: list[Document] | None = None) -> list[Problem]:
    """The errors."""
    problems = port_problems(moves, NODES if nodes is None else nodes, pods or [])
    return [problem for problem in problems if problem.severity is Severity.ERROR]


def test_as_many_replicas_as_nodes_fit() -> None:
    """One pod on each node, beside Deployments with other ports."""
    assert found([move(API, 9443, replicas=2), move(CONTROLLER, 9444, replicas=2)]) == []


def test_more_replicas_than_nodes_collide() -> None:
    """The problem has the port, both numbers and the nodes. A node counts only if its taints are tolerated."""
    (problem,) = found([move(API, 9443, replicas=3)])
    assert (problem.code, problem.path) == ("host-port-collision", "tke/api")
    assert "3 replica(s) need port 9443/TCP of a node each, but only 2 node(s) can run them (b, c)" in problem.message
    tolerations = [{"key": CONTROL_PLANE["key"], "operator": "Exists"}]
    assert found([move(API, 9443, replicas=3, tolerations=tolerations)]) == []


def test_cordoned_nodes_and_selectors_are_seen() -> None:
    """Two pods that can run on one node only collide."""
    assert found([move(API, 1, replicas=2)], nodes=[node("b", unschedulable=True), node("c")])
    assert found([move(API, 1, replicas=2, nodeSelector={"kubernetes.io/hostname": "c"})])
    assert found([move(API, 1, replicas=1, nodeSelector={"kubernetes.io/hostname": "c"})]) == []
    (nowhere,) = found([move(API, 1, nodeSelector={"kubernetes.io/hostname": "gone"})])
    assert nowhere.code == "no-node-for-deployment"


def test_the_maximum_of_an_autoscaler_counts() -> None:
    """Three possible replicas collide like three current replicas."""
    (problem,) = found([move(API, 9443, replicas=1, max_replicas=3)])
    assert "up to 3 by the autoscaler" in problem.message


def test_two_deployments_with_one_port_are_both_reported() -> None:
    """There are enough nodes for each of them alone."""
    assert found([move(API, 9443), move(CONTROLLER, 9443)]) == []  # on two nodes
    (problem,) = found([move(API, 9443, replicas=2), move(CONTROLLER, 9443)])
    assert problem.code == "host-port-collision"
    assert "tke/api (2) and tke/controller (1) need port 9443/TCP" in problem.message
    assert found([move(API, 9443, replicas=2), move(CONTROLLER, 9443, replicas=0)]) == []


def test_pods_that_have_the_port_are_named_with_their_node() -> None:
    """Pods with hostNetwork or a hostPort. Not ended pods, pods with another port or protocol, and pods of the moved Deployments."""
    busy = [pod("etcd", "b", 9443), pod("ingress", "c", 80, host_network=False, hostPort=9443)]
    (problem,) = found([move(API, 9443)], busy)
    assert problem.code == "host-port-taken"
    assert "pod tke/etcd on b; pod tke/ingress on c" in problem.message
    harmless = [
        pod("ended", "b", 9443, phase="Succeeded"),
        pod("other", "b", 80),
        pod("udp", "b", 9443, protocol="UDP"),
        pod("inside", "b", 9443, host_network=False),
        pod("api-7d4-x", "b", 9443, owner="api-7d4"),
    ]
    assert found([move(API, 9443, replicas=2)], harmless) == []


def test_one_free_node_is_enough_for_one() -> None:
    """The scheduler selects the free node."""
    assert found([move(API, 9443)], [pod("etcd", "b", 9443)]) == []


def test_a_mapped_port_cannot_stay_mapped() -> None:
    """With hostNetwork, the API server refuses a different hostPort."""
    mapped = Move(API, {"spec": {"template": {"spec": {"containers": containers(80, hostPort=8080)}}}}, 1, 1)
    assert [problem.code for problem in found([mapped])] == ["host-port-differs"]


def test_undeclared_ports_are_a_warning() -> None:
    """The ports are unknown, and the change is undone if it fails."""
    (problem,) = port_problems([move(API)], NODES, [])
    assert (problem.code, problem.severity) == ("no-port-declared", Severity.WARNING)


def test_sidecars_count_and_plain_init_containers_do_not() -> None:
    """A sidecar is an init container with restartPolicy Always."""
    document = {
        "initContainers": [
            {"name": "i", "ports": [{"containerPort": 1}]},
            {"name": "s", "restartPolicy": "Always", "ports": [{"containerPort": 2}]},
        ]
    }
    assert ports_of(document) == {(2, "TCP")}


def test_all_problems_are_reported_together() -> None:
    """The problems of all Deployments."""
    codes = {problem.code for problem in found([move(API, 1, replicas=5), move(CONTROLLER, 2)], [pod("x", "b", 2), pod("y", "c", 2)])}
    assert codes == {"host-port-collision", "host-port-taken"}
