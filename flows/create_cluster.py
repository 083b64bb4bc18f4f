"""Flow create-cluster: create a cluster from its file, or finish, scale or repair it."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import Flow, flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from cluster.plan.delete import RESET_HOST
from cluster.plan.graph import Plan
from cluster.plan.outcome import create_summary
from cluster.plan.selection import left_out, select_hosts
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.forms import ClusterForm, NameOrText
from cluster.vocabulary.parameters import require, switch_problems
from runs.cluster_run import cluster_run, run_context
from runs.cluster_slot import tag_subflow
from runs.context import ClusterContext, cluster_context
from runs.executor import execute
from runs.given_cluster import given_cluster
from runs.progress import report_progress
from runs.reported_flow import reported
from runs.run_names import run_name
from runs.run_report import report_summary
from tasks.inspect_host import inspect_hosts
from tasks.plan import plan_cluster
from tasks.table import TASKS
from tasks.validate import validate


@flow(name="create-cluster", flow_run_name=run_name("create"), validate_parameters=False, persist_result=False, result_serializer="json")
@reported
def create_cluster(
    cluster: NameOrText | ClusterForm,
    verify: bool = True,
    wait_seconds: int = 300,
    only: list[str] = [],  # noqa: B006 the form shows it, nobody changes it
) -> None:
    """Turn the machines of a cluster file into a Kubernetes cluster.

    Args:
        cluster: The name of a saved cluster, the text of a cluster file, or a short form.
        verify: Run the network check at the end if the run changed the cluster.
        wait_seconds: How long to wait for another run on the same cluster.
        only: Names of hosts to add to an existing cluster or to repair. Only these hosts and one control plane are inspected and changed.
    """
    given = given_cluster(cluster)
    run = run_context(given.fields)
    spec = validate(given, run)
    require(*switch_problems(verify=verify))
    selected = select_hosts(spec, only)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(selected, run, awaited=(RESET_HOST,))
        absent = left_out(spec, selected)
        resolved, plan = plan_cluster(spec, facts, uninspected, run, verify=verify, absent=absent)
        if plan.empty:
            report_summary(run, f"cluster {resolved.name} matches its file: nothing was changed")
        else:
            # the heartbeat of the parent run is enough; the subflow's own would take a second at its end (measured)
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                _converge(plan, cluster_context(run, resolved), absent)(resolved.name)


def _converge(plan: Plan, run: ClusterContext, absent: Sequence[str]) -> Flow[[str], None]:
    """The subflow that executes a plan, named after the stack mode: the UI shows and counts each mode by its own name.

    The plan is not a parameter: Prefect stores parameters, 512 kB at most, and the plan of a hundred hosts is as long as that.
    """

    @flow(
        name=f"create-{run.spec.stack}-cluster",
        flow_run_name=run_name("converge"),
        validate_parameters=False,
        persist_result=False,
        result_serializer="json",
    )
    def converge(cluster: str) -> None:  # noqa: ARG001 the run is named by it, and the UI shows it
        """Execute a plan of create-cluster; ClusterError lists the hosts that joined, and the reason for each host that did not."""
        tag_subflow(run.cluster)
        outcomes = execute(plan, TASKS, run)
        text, succeeded = create_summary(run.spec, plan, outcomes, absent)
        report_summary(run, text)
        report_progress(run, text)
        if not succeeded:
            raise ClusterError(text)

    return converge
