"""Step drain-node: cordon one node and evict its pods; a drain that fails leaves the node schedulable as before."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from cluster.plan.drain import DRAIN_NODE
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.errors import SixstackError
from kube.drain import cordon, drain, uncordon
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext
from runs.progress import report_progress


@step(DRAIN_NODE, "planned.subject")
def drain_node(planned: PlannedStep, run: SpecContext) -> None:
    """Make the node unschedulable and move its pods elsewhere, within budgets and the time limit."""
    with record_step(planned, run) as attempt:
        api, node = cluster_api(run), planned.subject
        if cordon(api, node):
            attempt.change("cordoned")
        try:
            limit = timedelta(seconds=planned.values["seconds"])
            moved = drain(
                api, node, limit, force=planned.values["force"], report=lambda line: report_progress(run, f"drain-node {node}: {line}")
            )
        except BaseException:
            # also when the run is cancelled; if the API server is away, the next run finds by the annotation that sixstack cordoned the node
            with suppress(SixstackError):
                if uncordon(api, node):
                    report_progress(run, f"drain-node {node}: uncordoned, because it is not drained")
            raise
        attempt.change(*moved)
