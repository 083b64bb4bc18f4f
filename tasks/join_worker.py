"""Step join-worker: kubeadm join with a token of its own that lives for minutes and is deleted afterwards."""

from __future__ import annotations

from cluster.facts.parsers.kubernetes import ca_hash
from cluster.kubeadm.documents import join_configuration
from cluster.plan.plan import PlannedStep
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec, Host
from kube.bootstrap_token import bootstrap_token
from kube.nodes import expect_rejoin
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.scripts import run_detached_script
from runs.sessions import cluster_api, locked_session
from templates import render


@step("join-worker", "host.name")
def join_worker(planned: PlannedStep, spec: ClusterSpec, host: Host, run: RunContext) -> StepRecord:
    """Make the host a worker; the token goes to it in a file of mode 0600, never on a command line or into a record."""
    with record_attempt("join-worker", host.name, run, StepRecord) as attempt:
        assert planned.template is not None
        session = locked_session(host, run)
        api = cluster_api(spec.control_planes[0], run)
        expect_rejoin(api, host.name)
        with bootstrap_token(api, host.name) as token:
            attempt.secrets.add(token)
            document = join_configuration(spec, host, token=token, ca_hash=ca_hash(api.config.authority) or "")
            inputs = {"join.yaml": render("kubeadm/join.yaml.j2", document=document).encode()}
            run_detached_script(attempt, session, run.cluster, planned.template, planned.values, planned.limit, inputs)
        attempt.change("joined")
        attempt.found = attempt.found or planned.reason
    return attempt.record
