"""Step drain-node: cordon one node and evict its pods; a drain that fails or is cancelled leaves the node schedulable as before."""

from __future__ import annotations

import time
from datetime import timedelta

from cluster.plan.drain import DRAIN_NODE
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.errors import Retryable, SixstackError
from kube.client import KubeApi
from kube.drain import cordon, drain, uncordon
from runs.attempts import record_step, step
from runs.cancellation import undone_when_cancelled
from runs.cluster_api import cluster_api
from runs.context import SpecContext
from runs.progress import report_progress

PATIENCE = timedelta(seconds=60)  # with an API server that restarts, until a node is uncordoned
LAST_PATIENCE = timedelta(seconds=5)  # at the end of a cancelled run


@step(DRAIN_NODE, "planned.subject")
def drain_node(planned: PlannedStep, run: SpecContext) -> None:
    """Make the node unschedulable and move its pods elsewhere, within budgets and the time limit."""
    with record_step(planned, run) as attempt, undone_when_cancelled(run) as cancelled:
        api, node = cluster_api(run), planned.subject
        if cordon(api, node):
            attempt.change("cordoned")
        try:
            moved = drain(
                api,
                node,
                timedelta(seconds=planned.values["seconds"]),
                force=planned.values["force"],
                report=lambda line: report_progress(run, f"drain-node {node}: {line}"),
                cancelled=cancelled,
            )
        except BaseException as error:
            patient = isinstance(error, SixstackError) and not cancelled()
            _uncordon(api, node, run, PATIENCE if patient else LAST_PATIENCE)
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
