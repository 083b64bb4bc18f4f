"""Steps set-host-network and undo-host-network: move the pods of one Deployment to the host network, or back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from cluster.plan.graph import PlannedStep
from cluster.plan.host_network import SET_HOST_NETWORK, UNDO_HOST_NETWORK
from kube.client import KubeApi
from kube.host_network import DeploymentName, set_host_network, undo_host_network
from kube.wait import OnChange
from runs.attempts import record_step, step
from runs.cluster_api import saved_api
from runs.context import SavedClusterContext
from runs.progress import report_progress

Change = Callable[[KubeApi, DeploymentName, timedelta, OnChange], tuple[str, ...]]


@step(SET_HOST_NETWORK, "planned.subject")
def set_deployment(planned: PlannedStep, run: SavedClusterContext) -> tuple[str, ...]:
    """Scale to 0, set the host network, scale back; restore the Deployment if it does not become available (ClusterError). Returns the changes."""
    return _change(planned, run, set_host_network, unchanged="the Deployment has the host network")


@step(UNDO_HOST_NETWORK, "planned.subject")
def undo_deployment(planned: PlannedStep, run: SavedClusterContext) -> tuple[str, ...]:
    """Restore the network, DNS policy and number of pods from the annotation of the Deployment. Returns the changes."""
    return _change(planned, run, undo_host_network, unchanged="the Deployment was not changed before")


def _change(planned: PlannedStep, run: SavedClusterContext, change: Change, *, unchanged: str) -> tuple[str, ...]:
    name, limit = DeploymentName(*planned.values["deployment"].split("/")), timedelta(seconds=planned.values["available_seconds"])
    with record_step(planned, run) as attempt:
        with saved_api(run) as api:
            attempt.change(*change(api, name, limit, lambda line: report_progress(run, line)))
        attempt.found = "" if attempt.changed else unchanged
    return tuple(attempt.changed)
