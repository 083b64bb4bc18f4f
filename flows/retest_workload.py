"""Flow retest-workload: place, change or compare the workload of a retest with a restore. Part of a retest; it has no deployment."""

from __future__ import annotations

from typing import Any

from prefect import flow

from cluster.plan.retest_workload import plan_workload
from cluster.vocabulary.forms import NameOrText
from runs.cluster_run import cluster_run, run_context
from runs.context import spec_context
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.table import TASKS
from tasks.validate import validate


@flow(
    name="retest-workload",
    flow_run_name=run_name("retest workload of"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
@reported
def retest_workload(cluster: NameOrText, step: str, before: dict[str, Any] | None = None, wait_seconds: int = 300) -> dict[str, Any] | None:
    """One step on the workload of a retest; `place-workload` returns the state that a restore must bring back.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        step: `place-workload`, `change-workload` or `compare-workload`.
        before: The state at the backup, for `compare-workload`.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    with cluster_run(run, wait_seconds):
        plan = plan_workload(spec.name, step, before)
        (outcome,) = execute(plan, TASKS, spec_context(run, spec)).values()
        if outcome.error is not None:
            raise outcome.error
        return outcome.result if isinstance(outcome.result, dict) else None
