"""Step reset-host: take the cluster off one host and leave it as it was before."""

from __future__ import annotations

from cluster.plan.plan import PlannedStep
from cluster.plan.steps import FORGET_TEMPLATE, SHORT, forget_values
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import Host
from runs.attempts import Where, attempt, step
from runs.scripts import run_detached_script, run_script
from runs.sessions import locked_session


@step("reset-host", "host.name")
def reset_host(planned: PlannedStep, host: Host, where: Where) -> StepRecord:
    """Undo everything this cluster put on the host; a host of another cluster is refused."""
    with attempt("reset-host", host.name, where, StepRecord) as this:
        assert planned.template is not None
        session = locked_session(host, where)
        run_detached_script(this, session, where.cluster, planned.template, planned.values, planned.limit)
        # only now that the reset's end is known: its state on the host is what a lost connection would have been found by
        run_script(this, session, FORGET_TEMPLATE, forget_values(where.cluster), SHORT)
        this.change("the host is as it was before the cluster")
        this.found = planned.reason
    return this.record
