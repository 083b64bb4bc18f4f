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
from cluster.errors import ClusterError
from cluster.expected_network import ExpectedNetwork
from cluster.records import StepRecord
from cluster.spec import ClusterSpec
from cluster.steps import VERIFY_NETWORK
from cluster.verification import Verification
from cluster.vocabulary.releases import DEFAULT_RELEASE
from kube.client import KubeApi
from kube.network_check import Settings, run
from kube.network_check.from_api import expected_from_api
from kube.state import read_state
from tasks.artifacts import network_artifact, nodes_artifact
from tasks.attempt import Where, attempt, step, tell
from tasks.connection import cluster_api
from tasks.saved_cluster import saved_api


class NetworkRecord(StepRecord):
    """The record of a network check, with every single result."""

    report: dict[str, Any] = Field(default_factory=dict)


@step("verify-network")
def verify_network(spec: ClusterSpec, nodes: tuple[str, ...], where: Where) -> NetworkRecord:
    """Check the network among `nodes` that create-cluster has just joined, in its quicker form; ClusterError names each broken path."""
    expected = ExpectedNetwork.of(spec)
    asked = replace(expected, nodes={name: addresses for name, addresses in expected.nodes.items() if name in nodes})
    settings = Settings(probe_image(where), limit=VERIFY_NETWORK.limit, full=False)
    return _checked(lambda: nullcontext(cluster_api(spec.control_planes[0], where)), lambda _: asked, settings, where)


@step("verify-network")
def verify_saved_cluster(asked: Verification, spec: ClusterSpec | None, where: Where) -> NetworkRecord:
    """Check the whole network of the cluster of a saved kubeconfig, against its cluster file or what its API says."""

    def expected(api: KubeApi) -> ExpectedNetwork:
        return expected_from_api(api) if spec is None else ExpectedNetwork.of(spec)

    image = asked.image or (image_references(DEFAULT_RELEASE)[PROBE] if spec is None else probe_image(where))
    settings = Settings(image, asked.namespace, VERIFY_NETWORK.limit, outside=asked.outside)
    return _checked(lambda: saved_api(asked.cluster, where), expected, settings, where)


def probe_image(where: Where) -> str:
    """The probe image of the run's artifact bundle."""
    return load(ArtifactBundle, where.bundle).manifest().probe_image


def _checked(
    reach: Callable[[], AbstractContextManager[KubeApi]],
    expected: Callable[[KubeApi], ExpectedNetwork],
    settings: Settings,
    where: Where,
) -> NetworkRecord:
    with attempt("verify-network", "cluster", where, NetworkRecord) as this:
        with reach() as api:
            report = run(api, expected(api), settings, lambda line: tell(where, line))
            nodes_artifact(where, read_state(api).nodes)
        this.extra["report"] = {**report.as_dict(), "table": report.table_rows()}
        this.found = report.verdict
        network_artifact(where, report)
        if not report.ok:
            raise ClusterError(report.verdict)
    return this.record
