"""Artifacts in the Prefect UI: the plan, progress, the nodes, the network check, drift, the summary, the history of retests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, create_table_artifact, update_progress_artifact

from cluster.drift.report import DriftReport, drift_page
from cluster.facts.cluster_state import NodeState
from cluster.network.matrix import markdown
from cluster.network.report import NetworkReport
from cluster.plan.expiry import CertificateCheck
from cluster.plan.graph import Plan
from cluster.plan.page import plan_page
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.problems import Problem
from runs.context import RunContext
from runs.record_writer import undelivered


def plan_artifact(run: RunContext, plan: Plan) -> None:
    """The plan as a page: notes, the graph, and a table of the steps."""
    key = f"{run.cluster}-plan"
    create_markdown_artifact(
        without_control(plan_page(plan)), key=key, description=f"Plan for cluster {run.cluster}: {len(plan.steps)} steps"
    )


def nodes_artifact(run: RunContext, nodes: Sequence[NodeState]) -> None:
    """The nodes with their addresses of every family."""
    create_table_artifact(
        table=_printable(
            {
                "node": node.name,
                "ready": "yes" if node.ready else f"no: {node.reason}",
                "addresses": ", ".join(map(str, node.addresses)),
                "pod ranges": ", ".join(map(str, node.pod_ranges)),
                "kubelet": node.kubelet_version,
            }
            for node in nodes
        ),
        key=f"{run.cluster}-nodes",
        description=f"Nodes of cluster **{run.cluster}**, with InternalIP addresses in the order of the node's status",
    )


def network_artifact(run: RunContext, report: NetworkReport) -> None:
    """The network check as a page: verdict, findings, node by node and family by family."""
    create_markdown_artifact(
        without_control(markdown(report, run.cluster)),
        key=network_key(run.cluster),
        # the overview shows what comes after the colon
        description=f"Network check of cluster **{run.cluster}**: {'passed' if report.ok else 'failed'}, {len(report.checks)} checks",
    )


def network_key(cluster: str) -> str:
    """The key of a cluster's network check."""
    return f"{cluster}-network"


def drift_artifact(run: RunContext, report: DriftReport) -> None:
    """The differences between a cluster and its file."""
    create_markdown_artifact(
        without_control(drift_page(report)),
        key=drift_key(run.cluster),
        # the overview shows what comes after the first colon
        description=f"Cluster **{run.cluster}** against its file: {report.summary}",
    )


def drift_key(cluster: str) -> str:
    """The key of a cluster's comparison with its file."""
    return f"{cluster}-drift"


def certificates_artifact(run: RunContext, check: CertificateCheck, uninspected: Sequence[Problem]) -> None:
    """The certificates of every host as a page: verdict, hosts that were not inspected, and a row per certificate."""
    create_markdown_artifact(
        without_control(check.page(map(str, uninspected))),
        key=certificates_key(run.cluster),
        # the overview shows what comes after the colon
        description=f"Certificates of cluster **{run.cluster}**: next expiry {f'{check.next_expiry:%Y-%m-%d}' if check.next_expiry else 'unknown'}",
    )


def certificates_key(cluster: str) -> str:
    """The key of a cluster's certificates."""
    return f"{cluster}-certificates"


def overview_artifact(rows: Sequence[dict[str, str]]) -> None:
    """All known clusters, a row each."""
    create_table_artifact(
        table=_printable(rows), key="sixstack-clusters", description="All saved clusters, with their nodes when this was written"
    )


def host_network_artifact(run: RunContext, rows: Sequence[dict[str, str]], *, undo: bool) -> None:
    """The Deployments before any change."""
    target = "their previous network" if undo else "the host network"
    create_table_artifact(
        table=_printable(rows),
        key=f"{run.cluster}-host-network",
        description=f"Deployments of cluster **{run.cluster}** that get {target}",
    )


def summary_artifact(run: RunContext, text: str) -> None:
    """The result of a run, with a warning when audit records wait for their store."""
    if warning := undelivered(run):
        text = f"{text}\n\n{warning}"
    create_markdown_artifact(without_control(text), key=f"{run.cluster}-summary", description=f"Result of the run on cluster {run.cluster}")


def history_artifact(text: str) -> None:
    """The history of retests, the same page after each run."""
    create_markdown_artifact(
        without_control(text), key="retests-history", description="History of retests: results and durations, night by night"
    )


def start_progress(run: RunContext) -> UUID:
    """A progress bar of the run, at 0 %."""
    artifact = create_progress_artifact(progress=0.0, key=f"{run.cluster}-progress", description=f"Progress of cluster {run.cluster}")
    assert isinstance(artifact, UUID)
    return artifact


def show_progress(artifact: UUID, done: int, total: int) -> None:
    """Move the bar to done/total steps."""
    update_progress_artifact(artifact, progress=100.0 * done / max(total, 1))


def _printable(rows: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{name: without_control(text) for name, text in row.items()} for row in rows]
