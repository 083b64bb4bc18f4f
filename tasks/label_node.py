"""Step label-node: the labels with the node's addresses, the labels and taints of the file, and the SSH endpoint of the host."""

from __future__ import annotations

from cluster.plan.create import LABEL_NODE
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.spec import Taint
from kube.drain import uncordon
from kube.nodes import label_node as converge_labels
from kube.remembered_hosts import remember_host
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext


@step(LABEL_NODE, "planned.subject")
def label_node(planned: PlannedStep, run: ClusterContext) -> None:
    """Bring a node's labels and taints to the planned values; labels and taints from other sources stay."""
    with record_step(planned, run) as attempt:
        taints = tuple(Taint.model_validate(taint) for taint in planned.values["taints"])
        api = cluster_api(run)
        attempt.change(*converge_labels(api, planned.subject, planned.values["labels"], taints))
        if remember_host(api, planned.subject, planned.values["endpoint"]):
            attempt.change("SSH endpoint remembered")
        if planned.values["uncordon"] and uncordon(api, planned.subject):
            attempt.change("uncordoned")
