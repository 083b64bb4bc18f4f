"""Step wait-ready: a node is Ready, or kubelet's own word on why it is not."""

from __future__ import annotations

from datetime import timedelta

from cluster.plan.steps import WAIT_READY
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec, Host
from kube.failing_pods import failing_pods
from kube.wait import wait_available, wait_nodes_ready
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.progress import report_progress
from runs.sessions import cluster_api


@step("wait-ready", "host.name")
def wait_ready(host: Host, spec: ClusterSpec, run: RunContext) -> StepRecord:
    """Wait for one node by a watch."""
    with record_attempt("wait-ready", host.name, run, StepRecord) as attempt:
        api = cluster_api(spec.control_planes[0], run)
        try:
            wait_nodes_ready(api, (host.name,), WAIT_READY.limit)
        except ClusterError as error:
            raise ClusterError("; ".join((str(error), *failing_pods(api, host.name)))) from error
        attempt.found = "Ready"
    return attempt.record


@step("wait-dns")
def wait_dns(spec: ClusterSpec, run: RunContext) -> StepRecord:
    """Wait until cluster DNS answers."""
    with record_attempt("wait-dns", "cluster", run, StepRecord) as attempt:
        api = cluster_api(spec.control_planes[0], run)
        wait_available(api, "kube-system", "coredns", limit=timedelta(minutes=3), on_change=lambda line: report_progress(run, line))
        attempt.found = "CoreDNS is available"
    return attempt.record
