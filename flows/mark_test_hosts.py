"""Flow mark-test-hosts: mark the machines of a cluster file as test hosts, so that retest-clusters may use them."""

from __future__ import annotations

from prefect import flow

from cluster.plan.test_hosts import plan_test_hosts, test_hosts_summary
from cluster.vocabulary.errors import CannotApply
from cluster.vocabulary.forms import NameOrText
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.confirmation import require_confirmation
from runs.context import spec_context
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.inspect_host import inspect_hosts
from tasks.table import TASKS
from tasks.validate import validate


@flow(
    name="mark-test-hosts",
    flow_run_name=run_name("test hosts of"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
@reported
def mark_test_hosts(cluster: NameOrText, confirm: str, undo: bool = False, wait_seconds: int = 300) -> None:
    """Mark the machines of a cluster file as test hosts. The marker stays when a cluster is deleted.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        confirm: The cluster's name again. retest-clusters deletes every sixstack cluster on test hosts, also those that are not saved.
        undo: Remove the markers.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    require_confirmation(confirm, spec, "mark the hosts of", undo=undo)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.hosts, run)
        if uninspected:
            raise CannotApply(uninspected)
        plan = plan_test_hosts(spec, facts, undo=undo)
        text, succeeded = test_hosts_summary(spec, plan, execute(plan, TASKS, spec_context(run, spec)), undo=undo)
        conclude(run, text, succeeded=succeeded)
