"""Flow create-cluster: from a cluster file to a verified cluster, or to one that is finished, grown, converged."""

from __future__ import annotations

from prefect import flow
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from cluster.vocabulary.families import StackMode
from cluster.vocabulary.spec import ClusterSpec
from flows.create_dual_stack_cluster import create_dual_stack_cluster
from flows.create_ipv4_cluster import create_ipv4_cluster
from flows.create_ipv6_cluster import create_ipv6_cluster
from flows.inspection import inspect
from runs.cluster_run import cluster_run, run_context
from runs.run_names import run_name
from tasks.plan import outcome_of, plan_cluster
from tasks.validate import spec_of, validate

SUBFLOWS = {
    StackMode.IPV4: create_ipv4_cluster,
    StackMode.DUAL_STACK: create_dual_stack_cluster,
    StackMode.IPV6: create_ipv6_cluster,
}


@flow(name="create-cluster", flow_run_name=run_name("create"), validate_parameters=False, persist_result=False, result_serializer="json")
def create_cluster(cluster: ClusterSpec, verify: bool = True, wait_seconds: int = 300) -> None:
    """Make the machines of a cluster file a Kubernetes cluster.

    Args:
        cluster: The cluster file.
        verify: Run the network check at the end when something was changed.
        wait_seconds: How long to wait for another run that works on the same cluster.
    """
    run = run_context(cluster)
    spec = spec_of(validate(cluster, run))
    with cluster_run(run, wait_seconds):
        facts, uninspected = inspect(spec.hosts, run)
        resolved, plan = outcome_of(plan_cluster(spec, facts, uninspected, run))
        if not plan.empty:
            # this run's own heartbeat says that the process lives; the subflow's would cost a second at its end (measured)
            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                SUBFLOWS[spec.stack](resolved, plan, run, verify)
