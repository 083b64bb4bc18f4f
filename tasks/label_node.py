"""Step label-node: the labels with the node's addresses, and the labels and taints of the file."""

from __future__ import annotations

from cluster.plan.create import LABEL_NODE
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.spec import Taint
from kube.nodes import label_node as converge_labels
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext


@step(LABEL_NODE, "planned.subject")
def label_node(planned: PlannedStep, run: ClusterContext) -> None:
    """Bring a node's labels and taints to the planned values; labels and taints from other sources stay."""
    with record_step(planned, run) as attempt:
        taints = tuple(Taint.model_validate(taint) for taint in planned.values["taints"])
        attempt.change(*converge_labels(cluster_api(run), planned.subject, planned.values["labels"], taints))
