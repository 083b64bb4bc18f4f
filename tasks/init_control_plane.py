"""Step init-control-plane: kubeadm init on the first control plane, as a unit of the host that outlives us."""

from __future__ import annotations

from cluster.plan.plan import PlannedStep
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from runs.attempts import Where, attempt, step
from runs.scripts import run_detached_script
from runs.sessions import forget_api, locked_session


@step("init-control-plane", "host.name")
def init_control_plane(planned: PlannedStep, host: Host, where: Where) -> StepRecord:
    """Make the host a control plane; a finished one stays as it is, a half-finished one is reset first."""
    with attempt("init-control-plane", host.name, where, StepRecord) as this:
        assert planned.template is not None
        run_detached_script(this, locked_session(host, where), where.cluster, planned.template, planned.values, planned.limit)
        forget_api(where)  # what answered before had other keys
        this.change("control plane initialized")
        this.found = this.found or planned.reason
    return this.record
