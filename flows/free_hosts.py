"""Flow free-hosts: delete whichever sixstack cluster has the test hosts of a cluster file. Part of a retest; it has no deployment."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

from prefect import flow

from cluster.plan.delete import delete_problems, owned_part, plan_free
from cluster.plan.outcome import delete_summary
from cluster.rules.test_hosts import test_host_problems
from cluster.vocabulary.errors import CannotApply, ClusterError
from runs.cluster_run import cluster_run, run_context
from runs.cluster_slot import exclusive_run
from runs.context import spec_context
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.progress import report_progress
from runs.run_names import run_name
from tasks.inspect_host import inspect_hosts
from tasks.table import TASKS
from tasks.validate import validate


class NotFreed(CannotApply):
    """The hosts are not test hosts, another tool uses them, or they could not be inspected."""

    headline = "the hosts are not freed; no host was changed"


@flow(name="free-hosts", flow_run_name=run_name("free hosts of"), validate_parameters=False, persist_result=False, result_serializer="json")
def free_hosts(cluster: str, wait_seconds: int = 300) -> None:
    """Reset the hosts of a saved cluster that belong to a sixstack cluster, also to one that is not saved. NotFreed lists all problems.

    Args:
        cluster: The name of a saved cluster.
        wait_seconds: How long to wait for another run on a cluster that has one of the hosts.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.hosts, run)
        owners = sorted({found.owner for found in facts.values() if found.owner is not None})
        parts = [owned_part(spec, owner, facts) for owner in owners]
        if problems := (
            *uninspected,
            *test_host_problems(spec, facts),
            *(problem for part in parts for problem in delete_problems(part, facts)),
        ):
            raise NotFreed(problems)
        for part in parts:
            owner_run = spec_context(replace(run, cluster=part.name), part)
            with nullcontext() if part.name == spec.name else exclusive_run(owner_run, wait_seconds):
                report_progress(run, f"deleting cluster {part.name} from {', '.join(host.name for host in part.hosts)}")
                plan = plan_free(part, facts)
                text, succeeded = delete_summary(part, plan, execute(plan, TASKS, owner_run))
            if not succeeded:
                raise ClusterError(text)
            report_progress(run, text)
