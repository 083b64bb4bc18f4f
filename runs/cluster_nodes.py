"""The page of a cluster's nodes, when no network check writes it."""

from __future__ import annotations

from cluster.plan.create import VERIFY_NETWORK
from cluster.plan.graph import Plan
from cluster.vocabulary.errors import SixstackError
from kube.state import read_nodes
from runs.artifacts import nodes_artifact
from runs.cluster_api import cluster_api
from runs.context import ClusterContext
from runs.progress import report_progress


def publish_nodes(plan: Plan, run: ClusterContext) -> None:
    """Write the nodes after a plan without a network check. A cluster that does not answer does not change the result of the run."""
    if plan.step(VERIFY_NETWORK) is not None:
        return
    try:
        nodes_artifact(run, read_nodes(cluster_api(run)))
    except SixstackError as error:
        report_progress(run, f"note: the page of the nodes is missing: {error}")
