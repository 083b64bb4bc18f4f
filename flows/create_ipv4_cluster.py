"""Subflow create-ipv4-cluster: the steps of a plan for a cluster that is IPv4-only."""

from __future__ import annotations

from prefect import flow

from cluster.plan.plan import Plan
from cluster.vocabulary.spec import ClusterSpec
from flows.convergence import converge
from runs.context import RunContext
from runs.run_names import run_name


@flow(
    name="create-ipv4-cluster",
    flow_run_name=run_name("converge"),
    validate_parameters=False,
    persist_result=False,
    result_serializer="json",
)
def create_ipv4_cluster(cluster: ClusterSpec, plan: Plan, run: RunContext, verify: bool) -> None:
    """Apply a plan to machines whose cluster is IPv4-only."""
    converge(cluster, plan, run, verify=verify)
