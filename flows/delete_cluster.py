"""Flow delete-cluster: save etcd's data and PKI, remove a cluster from its machines, and restore their previous state."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from cluster.plan.delete import delete_problems, plan_delete
from cluster.plan.outcome import delete_summary
from cluster.plan.unlisted import unlisted_notes, unlisted_problems
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.forms import NameOrText
from runs.artifacts import plan_artifact
from runs.cluster_run import cluster_run, run_context
from runs.conclusion import conclude
from runs.confirmation import require_confirmation
from runs.context import spec_context
from runs.copies import find_copy_settings
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.find_unlisted_hosts import find_unlisted_hosts
from tasks.inspect_host import inspect_hosts
from tasks.table import TASKS
from tasks.validate import validate


@flow(name="delete-cluster", flow_run_name=run_name("delete"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def delete_cluster(
    cluster: NameOrText, confirm: str, wait_seconds: int = 300, without_copy: bool = False, leave_out: Sequence[str] = ()
) -> None:
    """Remove a cluster from its hosts: kubeadm reset, then removal of CNI links, files, units, routes and rules of both families.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        confirm: The cluster's name again. Everything in the cluster is deleted.
        wait_seconds: How long to wait for another run on the same cluster.
        without_copy: Do not save etcd's data and PKI before they are removed. Otherwise an encrypted copy goes to the Backup store of the file.
        leave_out: Names of hosts that belong to the cluster, are not in the file, and keep what they have. Other unlisted hosts stop the run.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    require_confirmation(confirm, spec, "delete", without_copy=without_copy)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.hosts, run)
        copies, uncopied = (None, ()) if without_copy else find_copy_settings(spec, facts, CopyReason.DELETE)
        unlisted = find_unlisted_hosts(facts, spec_context(run, spec))
        problems = (*uninspected, *delete_problems(spec, facts), *unlisted_problems(spec, unlisted, leave_out), *uncopied)
        if problems:
            lines = [
                f"cluster {spec.name} is not deleted, and nothing was changed on any host",
                *(f"- {problem}" for problem in problems),
                *(["If a machine no longer exists, remove it from the file and delete again."] if uninspected else []),
            ]
            text, succeeded = "\n".join(lines), False
        else:
            plan = plan_delete(spec, facts, copies, unlisted_notes(unlisted))
            plan_artifact(run, plan)
            text, succeeded = delete_summary(spec, plan, execute(plan, TASKS, spec_context(run, spec)))
        conclude(run, text, succeeded=succeeded, problems=problems)
