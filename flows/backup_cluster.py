"""Flow backup-cluster: an encrypted copy of etcd's data, PKI, kubeadm configuration and cluster file."""

from __future__ import annotations

from prefect import flow

from cluster.plan.backup import backup_problems, hosts_to_back_up, plan_backup
from cluster.plan.outcome import backup_summary
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.errors import CannotApply
from cluster.vocabulary.forms import NameOrText
from runs.artifacts import plan_artifact
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.context import spec_context
from runs.copies import backup_store_problems
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.inspect_host import inspect_hosts
from tasks.table import TASKS
from tasks.validate import validate


@flow(name="backup-cluster", flow_run_name=run_name("back up"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def backup_cluster(cluster: NameOrText, wait_seconds: int = 300) -> None:
    """Store a backup of the cluster in its Backup store, encrypted to the public recipient, and remove the oldest ones.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.control_planes, run)
        hosts = hosts_to_back_up(spec, facts)
        if problems := (*uninspected, *backup_problems(spec, facts), *backup_store_problems(spec, hosts, CopyReason.BACKUP)):
            raise CannotApply(problems)
        plan = plan_backup(spec, facts)
        plan_artifact(run, plan)
        text, succeeded = backup_summary(spec, plan, execute(plan, TASKS, spec_context(run, spec)))
        conclude(run, text, succeeded=succeeded)
