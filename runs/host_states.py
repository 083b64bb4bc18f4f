"""The state of hosts after a step failed on them, for the error of the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from cluster.facts.cluster_state import NodeState
from cluster.vocabulary.errors import SixstackError
from kube.state import read_nodes
from runs.cluster_api import cluster_api
from runs.context import SpecContext
from runs.sessions import session

_LIMIT = timedelta(seconds=20)
_UNITS = 'for unit in containerd kubelet; do echo "$unit.service is $(systemctl is-active $unit.service)"; done; kubelet --version'


def host_states(names: Sequence[str], run: SpecContext) -> dict[str, str]:
    """One sentence for each host: its node as the API server knows it, and its services."""
    if not names:
        return {}
    try:
        nodes: dict[str, NodeState] | None = {node.name: node for node in read_nodes(cluster_api(run))}
    except SixstackError:
        nodes = None
    return {name: f"{_node(name, nodes)}; {_services(name, run)}" for name in names}


def _node(name: str, nodes: dict[str, NodeState] | None) -> str:
    if nodes is None:
        return "the API server does not answer"
    node = nodes.get(name)
    if node is None:
        return "the cluster has no such node"
    schedulable = "cordoned" if node.unschedulable else "schedulable"
    return f"node {'Ready' if node.ready else 'not Ready'}, {schedulable}, running kubelet {node.kubelet_version}"


def _services(name: str, run: SpecContext) -> str:
    try:
        output = session(run.host(name), run).run(_UNITS, limit=_LIMIT).stdout
    except SixstackError as error:
        return str(error)
    return ", ".join(line.replace("Kubernetes", "installed kubelet") for line in output.strip().splitlines())
