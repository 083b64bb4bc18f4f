"""Step delete-node: the Node object goes, and with it what is left of its pods."""

from __future__ import annotations

from cluster.plan.graph import PlannedStep
from cluster.plan.remove import DELETE_NODE
from kube.client import segment
from kube.wait import NODES
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext


@step(DELETE_NODE, "planned.subject")
def delete_node(planned: PlannedStep, run: SpecContext) -> None:
    """Delete the Node object of one host."""
    with record_step(planned, run) as attempt:
        if cluster_api(run).delete(f"{NODES}/{segment(planned.subject)}"):
            attempt.change("Node deleted")
