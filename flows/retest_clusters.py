"""Flow retest-clusters: prove that saved clusters can still be created and pass the network check, on test hosts."""

from __future__ import annotations

from prefect import flow

from cluster.retests.order import plan_retests
from cluster.retests.outcome import retests_summary
from cluster.retests.parameters import read_retest_settings
from cluster.retests.records import RETEST_CLUSTER, RETESTS
from cluster.vocabulary.errors import FindingReported
from flows.retest_cluster import record_skipped, retest_cluster, stop_retests
from runs.artifacts import plan_artifact
from runs.cluster_run import run_context
from runs.cluster_slot import exclusive_run
from runs.conclusion import conclude
from runs.executor import execute
from runs.overview import publish_overview
from runs.reported_flow import reported
from runs.retest_history import publish_history
from runs.run_names import run_name
from tasks.start_retests import start_retests


@flow(
    name="retest-clusters",
    flow_run_name=run_name("retest clusters"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
@reported
def retest_clusters(
    clusters: list[str] = [],  # noqa: B006 the form shows it, nobody changes it
    keep_passed: bool = False,
    keep_failed: bool = False,
    upgrade_from: str = "",
    restore_with: str = "",
    wait_seconds: int = 7200,
    audit: str = "default",
) -> None:
    """Delete what sixstack has on the test hosts of saved clusters, then create, verify and delete each cluster.

    Args:
        clusters: Names of saved clusters. An empty list means every saved cluster whose file has `test_hosts: true`.
        keep_passed: Do not delete a cluster that passed. A later retest on the same machines deletes it.
        keep_failed: Do not delete a cluster that failed. The clusters after it on the same machines are then skipped.
        upgrade_from: Name of the Artifact bundle block of an older Kubernetes version. The clusters are created with it, and then upgraded to the version
            of their file. Empty: no upgrade.
        restore_with: Path of the file with the private age identity, on the machine of the Prefect worker. Mode 0600. Its content stays in the worker.
            The clusters are then also backed up, changed and restored. Empty: no restore.
        wait_seconds: How long to wait for another retest run, and for another run on one of the clusters.
        audit: Name of the Audit store block with the history.
    """
    settings = read_retest_settings(keep_passed, keep_failed, wait_seconds, upgrade_from, restore_with)
    run = run_context({"name": RETESTS, "audit": audit})
    with exclusive_run(run, settings.wait_seconds):
        candidates = start_retests(clusters, settings, run)
        plan = plan_retests(candidates, settings)
        plan_artifact(run, plan)
        try:
            outcomes = execute(plan, {RETEST_CLUSTER: retest_cluster}, run)
        except BaseException:
            stop_retests(run)  # a cancelled run
            raise
        for step in plan.steps:
            record_skipped(step, outcomes[step.id], run)
        text, succeeded = retests_summary(plan, outcomes)
        publish_history(run)
        publish_overview()
        conclude(run, text, succeeded=succeeded, failure=FindingReported)
