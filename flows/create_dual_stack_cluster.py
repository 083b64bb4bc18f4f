"""Subflow create-dual-stack-cluster: the steps of a plan for a cluster that is dual-stack, either family first."""

from __future__ import annotations

from prefect import flow

from cluster.plan.plan import Plan
from cluster.vocabulary.spec import ClusterSpec
from flows.convergence import converge
from runs.context import RunContext
from runs.run_names import run_name


@flow(
    name="create-dual-stack-cluster",
    flow_run_name=run_name("converge"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
def create_dual_stack_cluster(cluster: ClusterSpec, plan: Plan, run: RunContext, verify: bool) -> None:
    """Apply a plan to machines whose cluster is dual-stack, either family first."""
    converge(cluster, plan, run, verify=verify)
