"""Step verify-network: probe pods test every path of every family and are removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import Field

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.layout import image_references
from bundle.manifest import PROBE
from cluster.network.expected import ExpectedNetwork
from cluster.plan.create import VERIFY_NETWORK
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.releases import DEFAULT_RELEASE
from cluster.vocabulary.spec import parse_address
from kube.client import KubeApi
from kube.network_check import Settings
from kube.network_check import run as check_network
from kube.network_check.from_api import expected_from_api
from kube.state import read_nodes
from runs.artifacts import network_artifact, nodes_artifact
from runs.attempts import record_step, step
from runs.cluster_api import run_api
from runs.context import ClusterContext, RunContext, SavedClusterContext
from runs.progress import report_progress

LIMIT = timedelta(minutes=5)


class NetworkRecord(StepRecord):
    """The record of a network check, with every result."""

    report: dict[str, Any] = Field(default_factory=dict)


@step(VERIFY_NETWORK)
def verify_network(planned: PlannedStep, run: ClusterContext | SavedClusterContext) -> str:
    """Check the network as planned; returns the verdict. ClusterError has it when a check failed."""
    with record_step(planned, run, NetworkRecord) as attempt:
        with run_api(run) as api:
            expected, settings = _expected(planned, run, api), _settings(planned, run)
            if not expected.nodes and isinstance(run, ClusterContext):
                attempt.found = "no node of the cluster is Ready: nothing was checked"
                return attempt.found
            report = check_network(api, expected, settings, lambda line: report_progress(run, line))
            nodes_artifact(run, read_nodes(api))
        attempt.extra["report"] = {**report.as_dict(), "table": report.table_rows()}
        attempt.found = report.verdict
        network_artifact(run, report)
        if not report.ok:
            raise ClusterError(report.verdict)
        return report.verdict


def _expected(planned: PlannedStep, run: ClusterContext | SavedClusterContext, api: KubeApi) -> ExpectedNetwork:
    if isinstance(run, ClusterContext):
        # the step of a host that did not join has its own error
        ready = {node.name for node in read_nodes(api) if node.ready}
        return _limited_to(ExpectedNetwork.of(run.spec), [name for name in planned.values["nodes"] if name in ready])
    return expected_from_api(api) if run.file is None else ExpectedNetwork.of(run.file)


def _limited_to(expected: ExpectedNetwork, nodes: Sequence[str]) -> ExpectedNetwork:
    return replace(expected, nodes={name: addresses for name, addresses in expected.nodes.items() if name in nodes})


def _settings(planned: PlannedStep, run: ClusterContext | SavedClusterContext) -> Settings:
    """create-cluster uses the quick check, verify-cluster the full one."""
    if isinstance(run, ClusterContext):
        return Settings(_bundled_image(run), limit=LIMIT, full=False)
    values = planned.values
    image = values["image"] or (image_references(DEFAULT_RELEASE)[PROBE] if run.file is None else _bundled_image(run))
    return Settings(image, values["namespace"], LIMIT, outside=tuple(map(parse_address, values["outside"])))


def _bundled_image(run: RunContext) -> str:
    """The probe image of the run's artifact bundle."""
    return load(ArtifactBundle, run.bundle).manifest().probe_image
