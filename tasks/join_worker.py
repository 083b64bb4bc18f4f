"""Step join-worker: kubeadm join with a token of its own that lives for minutes and is deleted afterwards."""

from __future__ import annotations

from cluster.kubeadm import join_configuration
from cluster.plan import PlannedStep
from cluster.records import StepRecord
from cluster.spec import ClusterSpec, Host
from cluster.steps import SHORT, TOKEN_DELETE_TEMPLATE, TOKEN_TEMPLATE, token_delete_values, token_values
from tasks.attempt import Where, attempt, step
from tasks.connection import locked_session, session
from tasks.script import run_detached_script, run_script
from templates import render


@step("join-worker", "host.name")
def join_worker(planned: PlannedStep, spec: ClusterSpec, host: Host, where: Where) -> StepRecord:
    """Make the host a worker; the token goes to it in a file of mode 0600, never on a command line or into a record."""
    with attempt("join-worker", host.name, where, StepRecord) as this:
        assert planned.template is not None
        control_plane = session(spec.control_planes[0], where)
        words = run_script(this, control_plane, TOKEN_TEMPLATE, token_values(spec, host), SHORT, secret=True).split()
        token, ca_hash = words[-2:]
        this.secrets.add(token)
        try:
            document = join_configuration(spec, host, token=token, ca_hash=ca_hash)
            inputs = {"join.yaml": render("kubeadm/join.yaml.j2", document=document).encode()}
            run_detached_script(this, locked_session(host, where), where.cluster, planned.template, planned.values, planned.limit, inputs)
        finally:
            control_plane.run(render(TOKEN_DELETE_TEMPLATE, **token_delete_values(spec, token.partition(".")[0])), limit=SHORT)
        this.change("joined")
        this.found = this.found or planned.reason
    return this.record
