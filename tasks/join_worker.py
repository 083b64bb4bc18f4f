"""Step join-worker: kubeadm join with a token of its own that lives for minutes and is deleted afterwards."""

from __future__ import annotations

from datetime import timedelta

from cluster.facts.parsers.kubernetes import ca_hash
from cluster.kubeadm.documents import join_configuration
from cluster.plan.create import JOIN_WORKER
from cluster.plan.graph import PlannedStep
from kube.bootstrap_token import bootstrap_token
from kube.nodes import expect_rejoin
from runs.attempts import record_step, step
from runs.cluster_api import cluster_api
from runs.context import ClusterContext
from runs.scripts import run_detached_script
from runs.sessions import locked_session
from templates import render

LIMIT = timedelta(minutes=8)


@step(JOIN_WORKER, "planned.subject")
def join_worker(planned: PlannedStep, run: ClusterContext) -> None:
    """Make the host a worker; the token goes to it in a file of mode 0600, never on a command line or into a record."""
    with record_step(planned, run) as attempt:
        host = run.host(planned.subject)
        session, api = locked_session(host, run), cluster_api(run)
        expect_rejoin(api, host.name)
        with bootstrap_token(api, host.name) as token:
            attempt.secrets.add(token)
            document = join_configuration(run.spec, host, token=token, ca_hash=ca_hash(api.config.authority) or "")
            inputs = {"join.yaml": render("kubeadm/join.yaml.j2", document=document).encode()}
            run_detached_script(attempt, session, run.cluster, "host/join.sh.j2", planned.values, LIMIT, inputs)
        attempt.change("joined")
