"""Step upgrade-control-plane: `kubeadm upgrade` on one control plane, as a unit of the host that outlives the connection."""

from __future__ import annotations

from datetime import timedelta

from cluster.plan.graph import PlannedStep
from cluster.plan.upgrade import UPGRADE_CONTROL_PLANE
from runs.attempts import record_step, step
from runs.cluster_api import close_api
from runs.context import ClusterContext
from runs.scripts import run_detached_script
from runs.sessions import locked_session

# kubeadm waits 5 minutes at most for each of four static pods, and rolls back after a failure
LIMIT = timedelta(minutes=30)


@step(UPGRADE_CONTROL_PLANE, "planned.subject")
def upgrade_control_plane(planned: PlannedStep, run: ClusterContext) -> None:
    """Upgrade the static pods, and with the last control plane kube-proxy and CoreDNS."""
    with record_step(planned, run) as attempt:
        session = locked_session(run.host(planned.subject), run)
        run_detached_script(attempt, session, run.cluster, "host/upgrade-control-plane.sh.j2", planned.values, LIMIT)
        close_api(run)  # the API server has a new certificate, and admin.conf too
        attempt.change(f"control plane has {planned.values['version']}")
