"""Steps upgrade-control-plane and wait-addons: `kubeadm upgrade` on one control plane, and the roll-out of what it upgrades with the last one."""

from __future__ import annotations

from datetime import timedelta

from cluster.plan.graph import PlannedStep
from cluster.plan.upgrade import UPGRADE_CONTROL_PLANE, WAIT_ADDONS
from kube.wait import wait_rolled_out, wait_steady
from runs.attempts import record_step, step
from runs.cluster_api import close_api, cluster_api
from runs.context import ClusterContext, SpecContext
from runs.progress import report_progress
from runs.scripts import run_detached_script
from runs.sessions import locked_session

# kubeadm waits 5 minutes at most for each of four static pods, and rolls back after a failure
LIMIT = timedelta(minutes=30)
ADDONS_LIMIT = timedelta(minutes=10)  # of each, one pod after the other on every node
STEADY, STEADY_LIMIT = timedelta(seconds=10), timedelta(minutes=3)  # the first back-off of a container that ends at once has 10 s


@step(UPGRADE_CONTROL_PLANE, "planned.subject")
def upgrade_control_plane(planned: PlannedStep, run: SpecContext) -> None:
    """Upgrade the static pods, and with the last control plane kube-proxy and CoreDNS."""
    with record_step(planned, run) as attempt:
        session = locked_session(run.host(planned.subject), run)
        run_detached_script(attempt, session, run.cluster, "host/upgrade-control-plane.sh.j2", planned.values, LIMIT)
        close_api(run)  # the API server has a new certificate, and admin.conf too
        attempt.change(f"control plane has {planned.values['version']}")


@step(WAIT_ADDONS)
def wait_addons(planned: PlannedStep, run: ClusterContext) -> None:
    """Wait until every pod of CoreDNS and kube-proxy is a new one, and stays: a node without kube-proxy keeps its old rules, and loses pods that move."""
    with record_step(planned, run) as attempt:
        api, workloads = cluster_api(run), planned.values["workloads"].items()
        for name, kind in workloads:
            wait_rolled_out(api, kind, "kube-system", name, limit=ADDONS_LIMIT, on_change=lambda line: report_progress(run, line))
        for name, kind in workloads:
            if kind == "DaemonSet":  # kube-proxy has no readiness probe
                wait_steady(
                    api, kind, "kube-system", name, steady=STEADY, limit=STEADY_LIMIT, on_change=lambda line: report_progress(run, line)
                )
        attempt.found = "rolled out"
