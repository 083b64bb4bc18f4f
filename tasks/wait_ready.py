"""Steps wait-ready and wait-dns: a node is Ready, or kubelet's reason why it is not; CoreDNS is available."""

from __future__ import annotations

from datetime import timedelta

from cluster.plan.create import WAIT_DNS, WAIT_READY
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.errors import ClusterError
from kube.failing_pods import failing_pods
from kube.wait import wait_available, wait_nodes_ready
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext
from runs.progress import report_progress

LIMIT = timedelta(minutes=5)
DNS_LIMIT = timedelta(minutes=3)


@step(WAIT_READY, "planned.subject")
def wait_ready(planned: PlannedStep, run: ClusterContext) -> None:
    """Wait for one node with a watch."""
    with record_step(planned, run) as attempt:
        api = cluster_api(run)
        try:
            wait_nodes_ready(api, (planned.subject,), LIMIT)
        except ClusterError as error:
            raise ClusterError("; ".join((str(error), *failing_pods(api, planned.subject)))) from error
        attempt.found = "Ready"


@step(WAIT_DNS)
def wait_dns(planned: PlannedStep, run: ClusterContext) -> None:
    """Wait until cluster DNS answers."""
    with record_step(planned, run) as attempt:
        api = cluster_api(run)
        wait_available(api, "kube-system", "coredns", limit=DNS_LIMIT, on_change=lambda line: report_progress(run, line))
        attempt.found = "CoreDNS is available"
