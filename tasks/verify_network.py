"""Step verify-network: probe pods prove every path of every family, then are gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from cluster.errors import ClusterError
from cluster.network_report import ExpectedNetwork
from cluster.records import StepRecord
from cluster.spec import ClusterSpec
from cluster.steps import VERIFY_NETWORK
from kube.network_check import run
from kube.state import read_state
from tasks.artifacts import network_artifact, nodes_artifact
from tasks.attempt import Where, attempt, step, tell
from tasks.connection import cluster_api


class NetworkRecord(StepRecord):
    """The record of a network check, with every single result."""

    report: dict[str, Any] = Field(default_factory=dict)


@step("verify-network")
def verify_network(spec: ClusterSpec, nodes: tuple[str, ...], where: Where) -> NetworkRecord:
    """Check the network among `nodes`; ClusterError names each broken path."""
    with attempt("verify-network", "cluster", where, NetworkRecord) as this:
        image = load(ArtifactBundle, where.bundle).manifest().probe_image
        api = cluster_api(spec.control_planes[0], where)
        report = run(api, _expected(spec, nodes), image, VERIFY_NETWORK.limit, lambda line: tell(where, line))
        nodes_artifact(where, read_state(api).nodes)
        this.extra["report"] = {**report.as_dict(), "table": report.table_rows()}
        this.found = report.verdict
        network_artifact(where, report.table_rows(), report.verdict)
        if not report.ok:
            raise ClusterError(report.verdict)
    return this.record


def _expected(spec: ClusterSpec, nodes: tuple[str, ...]) -> ExpectedNetwork:
    whole = ExpectedNetwork.of(spec)
    return replace(whole, nodes={name: addresses for name, addresses in whole.nodes.items() if name in nodes})
