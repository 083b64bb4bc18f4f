"""Step update-settings: the settings that kubeadm gives to the components of the new version."""

from __future__ import annotations

from cluster.plan.graph import PlannedStep
from cluster.plan.upgrade import UPDATE_SETTINGS
from kube.kubeadm_settings import write_settings
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext


@step(UPDATE_SETTINGS)
def update_settings(planned: PlannedStep, run: ClusterContext) -> None:
    """Write kubeadm's ConfigMaps. Components read them when they are upgraded; kube-proxy restarts at once and keeps its rules."""
    with record_step(planned, run) as attempt:
        api = cluster_api(run)
        attempt.change(*(f"settings of {name} written" for name, document in planned.values.items() if write_settings(api, name, document)))
