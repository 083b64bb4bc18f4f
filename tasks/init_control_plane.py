"""Step init-control-plane: kubeadm init on the seed control plane, as a unit of the host that outlives the connection."""

from __future__ import annotations

from datetime import timedelta

from cluster.plan.create import INIT_CONTROL_PLANE
from cluster.plan.graph import PlannedStep
from runs.attempts import record_step, step
from runs.cluster_api import close_api
from runs.context import ClusterContext
from runs.scripts import run_detached_script
from runs.sessions import locked_session

LIMIT = timedelta(minutes=10)


@step(INIT_CONTROL_PLANE, "planned.subject")
def init_control_plane(planned: PlannedStep, run: ClusterContext) -> None:
    """Make the host a control plane; a finished one stays as it is, a half-finished one is reset first."""
    with record_step(planned, run) as attempt:
        session = locked_session(run.host(planned.subject), run)
        run_detached_script(attempt, session, run.cluster, "host/init.sh.j2", planned.values, LIMIT)
        close_api(run)  # the control plane has new keys
        attempt.change("control plane initialized")
