"""Steps install-cni and wait-network: the pod network's objects by server-side apply, and their roll-out."""

from __future__ import annotations

from datetime import UTC, datetime

from cluster.plan.plan import PlannedStep
from cluster.plan.steps import WAIT_READY
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec
from kube.pod_networks import install, wait_installed
from kube.wait import NODES, wait_nodes_ready
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.progress import report_progress
from runs.sessions import cluster_api


@step("install-cni")
def install_cni(planned: PlannedStep, spec: ClusterSpec, run: RunContext) -> StepRecord:
    """Apply the plug-in the spec names; nodes become Ready by it one by one, which wait-ready sees."""
    with record_attempt("install-cni", "cluster", run, StepRecord) as attempt:
        api = cluster_api(spec.control_planes[0], run)
        attempt.change(*install(api, spec))
        attempt.found = planned.reason
    return attempt.record


@step("wait-network")
def wait_network(applied: StepRecord, spec: ClusterSpec, run: RunContext) -> StepRecord:
    """Wait until the nodes that are there are Ready and the plug-in runs on each, its controllers too; says how long after its apply began."""
    with record_attempt("wait-network", "cluster", run, StepRecord) as attempt:
        api = cluster_api(spec.control_planes[0], run)
        names = [str(node["metadata"]["name"]) for node in api.get(NODES)["items"]]
        wait_nodes_ready(api, names, WAIT_READY.limit)
        ready = _since(applied)
        wait_installed(api, spec, WAIT_READY.limit, lambda line: report_progress(run, line))
        attempt.found = (
            f"{len(names)} nodes Ready {ready:.1f} s, all of {spec.cni.kind} running {_since(applied):.1f} s after its apply began"
        )
    return attempt.record


def _since(applied: StepRecord) -> float:
    return (datetime.now(UTC) - applied.start).total_seconds()
