"""Step reset-host: take the cluster off one host and leave it as it was before."""

from __future__ import annotations

from cluster.plan.plan import PlannedStep
from cluster.plan.steps import REMOVE_STEP_STATE_TEMPLATE, SHORT, remove_step_state_values
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.scripts import run_detached_script, run_script
from runs.sessions import locked_session


@step("reset-host", "host.name")
def reset_host(planned: PlannedStep, host: Host, run: RunContext) -> StepRecord:
    """Undo everything this cluster put on the host; a host of another cluster is refused."""
    with record_attempt("reset-host", host.name, run, StepRecord) as attempt:
        assert planned.template is not None
        session = locked_session(host, run)
        run_detached_script(attempt, session, run.cluster, planned.template, planned.values, planned.limit)
        # only now that the reset's end is known: its state on the host is what a lost connection would have been found by
        run_script(attempt, session, REMOVE_STEP_STATE_TEMPLATE, remove_step_state_values(run.cluster), SHORT)
        attempt.change("the host is as it was before the cluster")
        attempt.found = planned.reason
    return attempt.record
