"""Step drain-node: cordon one node and evict its pods; a drain that fails leaves the node schedulable as before."""

from __future__ import annotations

import time
from datetime import timedelta

from cluster.plan.drain import DRAIN_NODE
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.errors import Retryable, SixstackError
from kube.client import KubeApi
from kube.drain import cordon, drain, uncordon
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext
from runs.progress import report_progress

PATIENCE = timedelta(seconds=60)  # with an API server that restarts, until a node is uncordoned


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
        except SixstackError:
            _uncordon(api, node, run, PATIENCE)
            raise
        except BaseException:  # the run is cancelled
            _uncordon(api, node, run, timedelta(0))
            raise
        attempt.change(*moved)


def _uncordon(api: KubeApi, node: str, run: SpecContext, patience: timedelta) -> None:
    """Make the node schedulable again. If the API server stays away, the next run finds by the annotation that sixstack cordoned the node."""
    end = time.monotonic() + patience.total_seconds()
    while True:
        try:
            if uncordon(api, node):
                report_progress(run, f"drain-node {node}: uncordoned, because it is not drained")
            return
        except Retryable:
            if time.monotonic() >= end:
                return
            time.sleep(1)
        except SixstackError:
            return
