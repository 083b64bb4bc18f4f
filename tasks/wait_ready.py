"""Step wait-ready: a node is Ready, or kubelet's own word on why it is not."""

from __future__ import annotations

from datetime import timedelta

from cluster.plan.steps import WAIT_READY
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec, Host
from kube.failing_pods import unwell_pods
from kube.wait import wait_available, wait_nodes_ready
from runs.attempts import Where, attempt, step, tell
from runs.sessions import cluster_api


@step("wait-ready", "host.name")
def wait_ready(host: Host, spec: ClusterSpec, where: Where) -> StepRecord:
    """Wait for one node by a watch."""
    with attempt("wait-ready", host.name, where, StepRecord) as this:
        api = cluster_api(spec.control_planes[0], where)
        try:
            wait_nodes_ready(api, (host.name,), WAIT_READY.limit)
        except ClusterError as error:
            raise ClusterError("; ".join((str(error), *unwell_pods(api, host.name)))) from error
        this.found = "Ready"
    return this.record


@step("wait-dns")
def wait_dns(spec: ClusterSpec, where: Where) -> StepRecord:
    """Wait until cluster DNS answers."""
    with attempt("wait-dns", "cluster", where, StepRecord) as this:
        api = cluster_api(spec.control_planes[0], where)
        wait_available(api, "kube-system", "coredns", limit=timedelta(minutes=3), on_change=lambda line: tell(where, line))
        this.found = "CoreDNS is available"
    return this.record
