"""Flow restore-cluster: rebuild a cluster from a copy, on the same hosts or on new hosts with the same names and addresses."""

from __future__ import annotations

from prefect import flow

from cluster.plan.create import INIT_CONTROL_PLANE, JOIN_WORKER
from cluster.plan.delete import RESET_HOST
from cluster.plan.outcome import restore_summary
from cluster.plan.restore import RESTORE_CONTROL_PLANE
from cluster.vocabulary.forms import NameOrText
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.confirmation import require_confirmation
from runs.context import cluster_context
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.inspect_host import inspect_hosts
from tasks.plan_restore import plan_restoration
from tasks.read_copy import read_copy
from tasks.table import TASKS
from tasks.validate import validate

# of an earlier run that was killed: they end by themselves, and only then is the state of the host known
_AWAITED = (RESET_HOST, INIT_CONTROL_PLANE, RESTORE_CONTROL_PLANE, JOIN_WORKER)


@flow(name="restore-cluster", flow_run_name=run_name("restore"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def restore_cluster(
    cluster: NameOrText,
    confirm: str,
    identity: str,
    copy: str | None = None,
    without_copy: bool = False,
    verify: bool = True,
    wait_seconds: int = 300,
) -> None:
    """Replace the cluster's control plane by the one of a copy. What is newer than the copy is lost, and is listed.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        confirm: The cluster's name again. The present state of the cluster is replaced.
        identity: Path of the file with the private age identity, on the machine of the Prefect worker. Mode 0600. Its content stays in the worker.
        copy: Name of the copy (`sixstack backups CLUSTER`). Default: the newest one.
        without_copy: Do not save the present state of etcd and PKI first.
        verify: Run the network check at the end.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    require_confirmation(confirm, spec, "restore", without_copy=without_copy, verify=verify)
    with cluster_run(run, wait_seconds):
        checked, source = read_copy(spec, copy, identity, run)
        facts, uninspected = inspect_hosts(spec.hosts, run, awaited=_AWAITED)
        resolved, plan = plan_restoration(spec, checked, source, facts, uninspected, run, without_copy=without_copy, verify=verify)
        outcomes = execute(plan, TASKS, cluster_context(run, resolved))
        text, succeeded = restore_summary(resolved, checked, plan, outcomes)
        conclude(run, text, succeeded=succeeded)
