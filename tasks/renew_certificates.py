"""Steps of renew-certificates on a host: new certificates, the restarts of static pods that read them, and the kubelet's own certificate."""

from __future__ import annotations

from datetime import timedelta

from prefect.tasks import Task

from cluster.plan.graph import PlannedStep
from cluster.plan.renew import RENEW_CERTIFICATES, RENEW_KUBELET_CERTIFICATE
from runs.attempts import record_step, step
from runs.cluster_api import close_api
from runs.context import ClusterContext
from runs.scripts import run_detached_script
from runs.sessions import locked_session

LIMIT = timedelta(minutes=3)
RESTART_LIMIT = timedelta(minutes=5)  # kubeadm's startup probe of a static pod allows four


@step(RENEW_CERTIFICATES, "planned.subject")
def renew_certificates(planned: PlannedStep, run: ClusterContext) -> None:
    """Replace certificates of a control plane. The next attempt completes a step that was killed."""
    with record_step(planned, run) as attempt:
        session = locked_session(run.host(planned.subject), run)
        run_detached_script(attempt, session, run.cluster, "host/renew-certificates.sh.j2", planned.values, LIMIT)
        close_api(run)  # the admin kubeconfig may be a new one
        names = [*planned.values["renewed"], *(certificate["name"] for certificate in planned.values["issued"])]
        attempt.change(f"renewed {', '.join(names)}" if names else "put the certificates of an earlier renewal in place")


def restart_task(kind: str) -> Task[..., None]:
    """The task that restarts the component of one kind of step."""

    @step(kind, "planned.subject")
    def restart_static_pod(planned: PlannedStep, run: ClusterContext) -> None:
        """Restart one component, unless it is younger than its certificates, and wait until it is healthy."""
        with record_step(planned, run) as attempt:
            session = locked_session(run.host(planned.subject), run)
            run_detached_script(attempt, session, run.cluster, "host/restart-static-pod.sh.j2", planned.values, RESTART_LIMIT)
            close_api(run)  # a connection to the previous process is lost
            last = attempt.output.strip().rpartition("\n")[2]
            if last.startswith("restarted"):
                attempt.change(f"{planned.values['component']} {last}")
            else:
                attempt.found = last

    return restart_static_pod


@step(RENEW_KUBELET_CERTIFICATE, "planned.subject")
def renew_kubelet_certificate(planned: PlannedStep, run: ClusterContext) -> None:
    """Let the kubelet make a new certificate for its server."""
    with record_step(planned, run) as attempt:
        session = locked_session(run.host(planned.subject), run)
        run_detached_script(attempt, session, run.cluster, "host/renew-kubelet-certificate.sh.j2", planned.values, LIMIT)
        attempt.change("the kubelet made a new certificate and was restarted")
