"""Flow upgrade-cluster: bring a running cluster to the Kubernetes version of its file, host by host."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from cluster.plan.delete import RESET_HOST
from cluster.plan.drain import DRAIN_SECONDS
from cluster.plan.outcome import failed_hosts, resume_failure, upgrade_summary
from cluster.plan.upgrade import UPGRADE_CONTROL_PLANE, UPGRADE_NODE, UpgradeSettings, interrupted_control_planes, plan_resume
from cluster.plan.upgrade_problems import setting_problems
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.forms import NameOrText
from cluster.vocabulary.spec import Host
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.context import SpecContext, cluster_context, spec_context
from runs.copies import find_copy_settings
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.host_states import host_states
from runs.reported_flow import reported
from runs.run_names import run_name
from runs.run_report import report_summary
from tasks.inspect_host import inspect_hosts
from tasks.plan_upgrade import CannotUpgrade, plan_cluster_upgrade
from tasks.table import TASKS
from tasks.validate import validate


@flow(name="upgrade-cluster", flow_run_name=run_name("upgrade"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def upgrade_cluster(
    cluster: NameOrText,
    max_unavailable: int = 1,
    drain_seconds: int = DRAIN_SECONDS,
    force: bool = False,
    without_copy: bool = False,
    wait_seconds: int = 300,
) -> None:
    """Upgrade a cluster to the version of its file and bundle: control planes one by one, then workers in batches. A later run continues.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        max_unavailable: How many workers are drained and upgraded at the same time.
        drain_seconds: How long a node may take to drain. A node that is not drained then is uncordoned and stays as it is.
        force: Also delete pods without a controller, data in emptyDir volumes, and pods that a budget still protects at the end of drain_seconds.
        without_copy: Do not save etcd's data and PKI before the upgrade. Otherwise an encrypted copy goes to the Backup store of the file.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    if problems := setting_problems(max_unavailable, drain_seconds, force=force, without_copy=without_copy):
        raise CannotUpgrade(problems)
    settings = UpgradeSettings(max_unavailable, drain_seconds, force)
    awaited = (RESET_HOST, UPGRADE_CONTROL_PLANE, UPGRADE_NODE)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.hosts, run, awaited)
        if interrupted := interrupted_control_planes(spec, facts):
            _resume(spec_context(run, spec), interrupted)
            facts, uninspected = inspect_hosts(spec.hosts, run, awaited)
        copies, uncopied = (None, ()) if without_copy else find_copy_settings(spec, facts, CopyReason.UPGRADE)
        resolved, plan = plan_cluster_upgrade(spec, facts, (*uninspected, *uncopied), copies, settings, run)
        on_cluster = cluster_context(run, resolved)
        outcomes = execute(plan, TASKS, on_cluster)
        text, succeeded = upgrade_summary(spec, plan, outcomes, host_states(failed_hosts(spec, plan, outcomes), on_cluster))
        conclude(run, text, succeeded=succeeded)


def _resume(run: SpecContext, hosts: Sequence[Host]) -> None:
    """Finish the upgrade of control planes that lost power; ClusterError has their state when this fails."""
    plan = plan_resume(run.spec, hosts)
    outcomes = execute(plan, TASKS, run)
    text = resume_failure(run.spec, plan, outcomes, host_states(failed_hosts(run.spec, plan, outcomes), run))
    if text is not None:
        report_summary(run, text)
        raise ClusterError(text)
