"""Step init-control-plane: kubeadm init on the first control plane, as a unit of the host that outlives us."""

from __future__ import annotations

from cluster.plan.plan import PlannedStep
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.scripts import run_detached_script
from runs.sessions import close_api, locked_session


@step("init-control-plane", "host.name")
def init_control_plane(planned: PlannedStep, host: Host, run: RunContext) -> StepRecord:
    """Make the host a control plane; a finished one stays as it is, a half-finished one is reset first."""
    with record_attempt("init-control-plane", host.name, run, StepRecord) as attempt:
        assert planned.template is not None
        run_detached_script(attempt, locked_session(host, run), run.cluster, planned.template, planned.values, planned.limit)
        close_api(run)  # what answered before had other keys
        attempt.change("control plane initialized")
        attempt.found = attempt.found or planned.reason
    return attempt.record
