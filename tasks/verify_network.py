"""Step verify-network: probe pods prove every path of every family, then are gone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from pydantic import Field

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.layout import image_references
from bundle.manifest import PROBE
from cluster.file.verify_parameters import Verification
from cluster.network.expected import ExpectedNetwork
from cluster.plan.steps import VERIFY_NETWORK
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.releases import DEFAULT_RELEASE
from cluster.vocabulary.spec import ClusterSpec
from kube.client import KubeApi
from kube.network_check import Settings
from kube.network_check import run as check_network
from kube.network_check.from_api import expected_from_api
from kube.state import read_state
from runs.artifacts import network_artifact, nodes_artifact
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.progress import report_progress
from runs.saved_cluster import saved_api
from runs.sessions import cluster_api


class NetworkRecord(StepRecord):
    """The record of a network check, with every single result."""

    report: dict[str, Any] = Field(default_factory=dict)


@step("verify-network")
def verify_network(spec: ClusterSpec, nodes: tuple[str, ...], run: RunContext) -> NetworkRecord:
    """Check the network among `nodes` that create-cluster has just joined, in its quicker form; ClusterError names each broken path."""
    expected = ExpectedNetwork.of(spec)
    asked = replace(expected, nodes={name: addresses for name, addresses in expected.nodes.items() if name in nodes})
    settings = Settings(probe_image(run), limit=VERIFY_NETWORK.limit, full=False)
    return _checked(lambda: nullcontext(cluster_api(spec.control_planes[0], run)), lambda _: asked, settings, run)


@step("verify-network")
def verify_saved_cluster(asked: Verification, spec: ClusterSpec | None, run: RunContext) -> NetworkRecord:
    """Check the whole network of the cluster of a saved kubeconfig, against its cluster file or what its API says."""

    def expected(api: KubeApi) -> ExpectedNetwork:
        return expected_from_api(api) if spec is None else ExpectedNetwork.of(spec)

    image = asked.image or (image_references(DEFAULT_RELEASE)[PROBE] if spec is None else probe_image(run))
    settings = Settings(image, asked.namespace, VERIFY_NETWORK.limit, outside=asked.outside)
    return _checked(lambda: saved_api(asked.cluster, run), expected, settings, run)


def probe_image(run: RunContext) -> str:
    """The probe image of the run's artifact bundle."""
    return load(ArtifactBundle, run.bundle).manifest().probe_image


def _checked(
    reach: Callable[[], AbstractContextManager[KubeApi]],
    expected: Callable[[KubeApi], ExpectedNetwork],
    settings: Settings,
    run: RunContext,
) -> NetworkRecord:
    with record_attempt("verify-network", "cluster", run, NetworkRecord) as attempt:
        with reach() as api:
            report = check_network(api, expected(api), settings, lambda line: report_progress(run, line))
            nodes_artifact(run, read_state(api).nodes)
        attempt.extra["report"] = {**report.as_dict(), "table": report.table_rows()}
        attempt.found = report.verdict
        network_artifact(run, report)
        if not report.ok:
            raise ClusterError(report.verdict)
    return attempt.record
