"""Artifacts in the Prefect UI: the plan, progress, steps, nodes, the network check, drift, problems, the summary, the history of retests.

Those of a run belong to the flow run of the whole operation, also when a subflow or its task writes them: its page shows them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from prefect.artifacts import (
    Artifact,
    MarkdownArtifact,
    ProgressArtifact,
    TableArtifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import Artifact as StoredArtifact

from cluster.drift.report import DriftReport, drift_page
from cluster.facts.cluster_state import NodeState
from cluster.network.matrix import markdown
from cluster.network.report import NetworkReport
from cluster.plan.expiry import CertificateCheck
from cluster.plan.graph import Plan
from cluster.plan.page import plan_page
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.families import Address, Family, Network, family_name, family_of
from cluster.vocabulary.problems import Problem
from runs.context import RunContext
from runs.record_writer import undelivered
from runs.run_report import report_page


def plan_artifact(run: RunContext, plan: Plan) -> None:
    """The plan as a page: notes, the graph, and a table of the steps."""
    _write_page(
        run,
        f"{run.cluster}-plan",
        plan_page(plan),
        f"Plan for cluster {run.cluster}: {len(plan.steps)} step{'s' if len(plan.steps) != 1 else ''}",
    )


def nodes_artifact(run: RunContext, nodes: Sequence[NodeState]) -> None:
    """The nodes with their addresses of every family."""
    ready = sum(node.ready for node in nodes)
    _write_table(
        run,
        f"{run.cluster}-nodes",
        (
            {
                "node": node.name,
                "ready": "yes" if node.ready else f"no: {node.reason}",
                **{f"{family_name(family)} address": _of(family, node.addresses) for family in Family},
                **{f"{family_name(family)} pod range": _of(family, node.pod_ranges) for family in Family},
                "kubelet": node.kubelet_version,
            }
            for node in nodes
        ),
        f"Nodes of cluster **{run.cluster}**: {ready} of {len(nodes)} ready",
    )


def network_artifact(run: RunContext, report: NetworkReport) -> None:
    """The network check as a page: verdict, findings, node by node and family by family."""
    _write_page(
        run,
        network_key(run.cluster),
        markdown(report, run.cluster),
        # the overview shows what comes after the colon
        f"Network of cluster **{run.cluster}**: {'passed' if report.ok else 'failed'}, {len(report.checks)} checks",
    )


def network_key(cluster: str) -> str:
    """The key of a cluster's network check."""
    return f"{cluster}-network"


def drift_artifact(run: RunContext, report: DriftReport) -> None:
    """The differences between a cluster and its file."""
    _write_page(
        run,
        drift_key(run.cluster),
        drift_page(report),
        # the overview shows what comes after the first colon
        f"Cluster **{run.cluster}** against its file: {report.summary}",
    )


def drift_key(cluster: str) -> str:
    """The key of a cluster's comparison with its file."""
    return f"{cluster}-drift"


def certificates_artifact(run: RunContext, check: CertificateCheck, uninspected: Sequence[Problem]) -> None:
    """The certificates of every host as a page: verdict, hosts that were not inspected, and a row per certificate."""
    _write_page(
        run,
        certificates_key(run.cluster),
        check.page(map(str, uninspected)),
        # the overview shows what comes after the colon
        f"Certificates of cluster **{run.cluster}**: next expiry {f'{check.next_expiry:%Y-%m-%d}' if check.next_expiry else 'unknown'}",
    )


def certificates_key(cluster: str) -> str:
    """The key of a cluster's certificates."""
    return f"{cluster}-certificates"


def overview_artifact(rows: Sequence[dict[str, str]]) -> None:
    """All known clusters, a row each."""
    _created(
        TableArtifact(
            table=_printable(rows), key="sixstack-clusters", description="All saved clusters, with their nodes when this was written"
        )
    )


def host_network_artifact(run: RunContext, rows: Sequence[dict[str, str]], *, undo: bool) -> None:
    """The Deployments before any change."""
    target = "their previous network" if undo else "the host network"
    _write_table(run, f"{run.cluster}-host-network", rows, f"Deployments of cluster **{run.cluster}** that get {target}")


def summary_artifact(run: RunContext, text: str) -> None:
    """The result of a run, with a warning when audit records wait for their store."""
    if warning := undelivered(run):
        text = f"{text}\n\n{warning}"
    _write_page(run, f"{run.cluster}-summary", text, "Result, next steps, and links to the other pages")


def steps_artifact(run: RunContext, page: str, count: int) -> None:
    """The steps by host."""
    _write_page(run, f"{run.cluster}-steps", page, f"{count} step{'s' if count > 1 else ''} of the run on cluster {run.cluster}, by host")


def problems_artifact(run: RunContext, page: str, count: int) -> None:
    """Why the run failed."""
    _write_page(
        run, f"{run.cluster}-problems", page, f"Why the run on cluster {run.cluster} failed: {count} problem{'s' if count > 1 else ''}"
    )


def history_artifact(text: str) -> None:
    """The history of retests, the same page after each run."""
    _created(
        MarkdownArtifact(
            markdown=without_control(text), key="retests-history", description="History of retests: results and durations, night by night"
        )
    )


def start_progress(run: RunContext) -> UUID:
    """A progress bar of the run, at 0 %."""
    artifact = ProgressArtifact(
        progress=0.0, key=f"{run.cluster}-progress", description=f"Progress of cluster {run.cluster}", flow_run_id=UUID(run.id)
    )
    return _created(artifact)


def show_progress(artifact: UUID, done: int, total: int) -> None:
    """Move the bar to done/total steps."""
    update_progress_artifact(artifact, progress=100.0 * done / max(total, 1))


def _write_page(run: RunContext, key: str, text: str, description: str) -> None:
    page = MarkdownArtifact(markdown=without_control(text), key=key, description=description, flow_run_id=UUID(run.id))
    report_page(run, key, _created(page))


def _write_table(run: RunContext, key: str, rows: Iterable[Mapping[str, str]], description: str) -> None:
    page = TableArtifact(table=_printable(rows), key=key, description=description, flow_run_id=UUID(run.id))
    report_page(run, key, _created(page))


def _created(artifact: Artifact) -> UUID:
    created = artifact.create()
    assert isinstance(created, StoredArtifact)  # a coroutine only where an event loop runs, and no flow of ours is async
    return created.id


def _of(family: Family, values: Iterable[Address | Network]) -> str:
    return ", ".join(str(value) for value in values if family_of(value) is family) or "-"


def _printable(rows: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{name: without_control(text) for name, text in row.items()} for row in rows]
