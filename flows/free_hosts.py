"""Flow free-hosts: delete whichever sixstack cluster has the test hosts of a cluster file. Part of a retest; it has no deployment."""

from __future__ import annotations

from dataclasses import replace

from prefect import flow

from cluster.plan.delete import delete_problems, owned_part, plan_free
from cluster.plan.outcome import delete_summary
from cluster.rules.test_hosts import test_host_problems
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.errors import CannotApply, ClusterError
from cluster.vocabulary.forms import NameOrText
from cluster.vocabulary.spec import ClusterSpec
from runs.cluster_run import cluster_run, run_context
from runs.context import RunContext, spec_context
from runs.copies import find_copy_settings
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.progress import report_progress
from runs.reported_flow import reported
from runs.run_names import run_name
from tasks.inspect_host import inspect_hosts
from tasks.table import TASKS
from tasks.validate import validate


class NotFreed(CannotApply):
    """The hosts are not test hosts, another tool uses them, or they could not be inspected."""

    headline = "the hosts are not freed; no host was changed"


@flow(name="free-hosts", flow_run_name=run_name("free hosts of"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def free_hosts(cluster: NameOrText, wait_seconds: int = 300) -> None:
    """Reset the hosts of a cluster file that belong to a sixstack cluster, also to one that is not saved. NotFreed lists all problems.

    Args:
        cluster: The name of a saved cluster, or the text of a cluster file.
        wait_seconds: How long to wait for another run on a cluster that has one of the hosts.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    freed: list[str] = []
    # One slot at a time: two retests that hold their own and wait for the other's would wait until their time is over.
    owners = _free(spec, spec.name, run, wait_seconds, freed)
    for owner in sorted(owners - {spec.name}):
        _free(spec, owner, run, wait_seconds, freed)


def _free(spec: ClusterSpec, owner: str, run: RunContext, wait_seconds: int, freed: list[str]) -> set[str]:
    """Reset the hosts of one owner while no other run is on that cluster. Returns the owners of all hosts before; adds to `freed`.

    The hosts are inspected once the slot is free: while this run waited, a marker may have been removed, or another cluster been created.
    """
    with cluster_run(replace(run, cluster=owner), wait_seconds, file_of=spec.name):
        facts, uninspected = inspect_hosts(spec.hosts, run)
        owners = {found.owner for found in facts.values() if found.owner is not None}
        parts = {name: owned_part(spec, name, facts) for name in sorted(owners)}
        copies = {name: find_copy_settings(part, facts, CopyReason.DELETE) for name, part in parts.items()}
        if problems := (
            *uninspected,
            *test_host_problems(spec, facts),
            *(problem for part in parts.values() for problem in delete_problems(part, facts)),
            *dict.fromkeys(problem for _, uncopied in copies.values() for problem in uncopied),
        ):
            refused = NotFreed(problems)
            if freed:
                raise ClusterError(f"the hosts are not freed, except {', '.join(freed)}\n{refused}")
            raise refused
        if owner in owners:
            part = parts[owner]
            report_progress(run, f"deleting cluster {owner} from {', '.join(host.name for host in part.hosts)}")
            freed += [host.name for host in part.hosts]
            plan = plan_free(part, facts, copies[owner][0])
            text, succeeded = delete_summary(part, plan, execute(plan, TASKS, spec_context(replace(run, cluster=owner), part)))
            if not succeeded:
                raise ClusterError(text)
            report_progress(run, text)
        return owners
