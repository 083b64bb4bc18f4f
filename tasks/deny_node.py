"""Step deny-node: the API server does not admit a node that was removed while its machine did not answer."""

from __future__ import annotations

from cluster.plan.graph import PlannedStep
from cluster.plan.remove import DENY_NODE
from kube.denied_nodes import deny_node as deny
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import SpecContext


@step(DENY_NODE, "planned.subject")
def deny_node(planned: PlannedStep, run: SpecContext) -> None:
    """Deny the node by its name and by the user of its certificate."""
    with record_step(planned, run) as attempt:
        attempt.change(*deny(cluster_api(run), planned.subject))
