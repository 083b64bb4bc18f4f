"""Steps place-workload, change-workload and compare-workload: a restore must bring back what was there at the backup."""

from __future__ import annotations

from typing import Any

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from cluster.plan.graph import PlannedStep
from cluster.plan.retest_workload import CHANGE_WORKLOAD, COMPARE_WORKLOAD, PLACE_WORKLOAD
from cluster.retests.workload import require_same
from kube import retest_workload as on_cluster
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext


@step(PLACE_WORKLOAD)
def place_workload(planned: PlannedStep, run: SpecContext) -> dict[str, Any]:
    """Create the workload; returns the state to compare with."""
    with record_step(planned, run) as attempt:
        api = cluster_api(run)
        attempt.change(*on_cluster.place(api, load(ArtifactBundle, run.bundle).manifest().probe_image))
        return on_cluster.read(api)


@step(CHANGE_WORKLOAD)
def change_workload(planned: PlannedStep, run: SpecContext) -> None:
    """Change what is in the backup, and create what is not."""
    with record_step(planned, run) as attempt:
        attempt.change(*on_cluster.change(cluster_api(run)))


@step(COMPARE_WORKLOAD)
def compare_workload(planned: PlannedStep, run: SpecContext) -> None:
    """The state must be that of the backup, and the pods must run; the workload is then removed."""
    with record_step(planned, run) as attempt:
        api = cluster_api(run)
        require_same(planned.values["before"], on_cluster.read(api))
        on_cluster.wait_running(api)
        on_cluster.remove(api)
        attempt.found = "objects, addresses and content are as at the backup"
