"""Step forget-host: the cluster keeps nothing of a host that was removed: neither its SSH endpoint nor a denial of its node."""

from __future__ import annotations

from cluster.plan.graph import PlannedStep
from cluster.plan.remove import FORGET_HOST
from kube.denied_nodes import admit_node
from kube.remembered_hosts import forget_host as forget
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext


@step(FORGET_HOST, "planned.subject")
def forget_host(planned: PlannedStep, run: SpecContext) -> None:
    """Forget one host."""
    with record_step(planned, run) as attempt:
        api = cluster_api(run)
        if admit_node(api, planned.subject):
            attempt.change("denial removed")
        if forget(api, planned.subject):
            attempt.change("SSH endpoint forgotten")
