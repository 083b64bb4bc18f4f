"""Flow create-cluster: create a cluster from its file, or finish, scale or repair it."""

from __future__ import annotations

from prefect import Flow, flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from cluster.plan.graph import Plan
from cluster.plan.outcome import create_summary
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.families import StackMode
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from runs.artifacts import summary_artifact
from runs.cluster_run import cluster_run, run_context
from runs.context import RunContext, cluster_context
from runs.executor import execute
from runs.progress import report_progress
from runs.run_names import run_name
from tasks.inspect_host import inspect_hosts
from tasks.plan import plan_cluster
from tasks.table import TASKS
from tasks.validate import validate


@flow(name="create-cluster", flow_run_name=run_name("create"), validate_parameters=False, persist_result=False, result_serializer="json")
def create_cluster(cluster: ClusterSpec, verify: bool = True, wait_seconds: int = 300) -> None:
    """Turn the machines of a cluster file into a Kubernetes cluster.

    Args:
        cluster: The cluster file.
        verify: Run the network check at the end if the run changed the cluster.
        wait_seconds: How long to wait for another run on the same cluster.
    """
    run = run_context(cluster)
    spec = validate(cluster, run)
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect_hosts(spec.hosts, run)
        resolved, plan = plan_cluster(spec, facts, uninspected, run, verify=verify)
        if not plan.empty:
            # the heartbeat of the parent run is enough; the subflow's own would take a second at its end (measured)
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                CONVERGE[spec.stack](resolved, plan, run)


@flow(flow_run_name=run_name("converge"), validate_parameters=False, persist_result=False, result_serializer="json")
def converge(cluster: ResolvedSpec, plan: Plan, run: RunContext) -> None:
    """Execute a plan of create-cluster; ClusterError lists the hosts that joined, and the reason for each host that did not."""
    outcomes = execute(plan, TASKS, cluster_context(run, cluster))
    text, succeeded = create_summary(cluster, plan, outcomes)
    summary_artifact(run, text)
    report_progress(run, text)
    if not succeeded:
        raise ClusterError(text)


# one subflow per stack mode, so that the UI shows and counts each mode by its own name
CONVERGE: dict[StackMode, Flow[..., None]] = {stack: converge.with_options(name=f"create-{stack}-cluster") for stack in StackMode}
