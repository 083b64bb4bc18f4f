"""Step label-node: the labels that find a node by its addresses, and the file's own labels and taints."""

from __future__ import annotations

from cluster.plan.plan import PlannedStep
from cluster.vocabulary.labels import node_labels
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec, Host
from kube.nodes import label_node as converge_labels
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.sessions import cluster_api


@step("label-node", "host.name")
def label_node(planned: PlannedStep, spec: ClusterSpec, host: Host, run: RunContext) -> StepRecord:
    """Bring a node's labels and taints to the spec; what others set stays."""
    with record_attempt("label-node", host.name, run, StepRecord) as attempt:
        api = cluster_api(spec.control_planes[0], run)
        attempt.change(*converge_labels(api, host.name, node_labels(spec, host), host.taints))
        attempt.found = planned.reason
    return attempt.record
