"""Step reset-host: remove the cluster from one host and restore the host."""

from __future__ import annotations

from datetime import timedelta

from cluster.plan.delete import RESET_HOST
from cluster.plan.graph import PlannedStep
from cluster.plan.values import remove_step_state_values
from runs.attempts import record_step, step
from runs.context import SpecContext
from runs.progress import report_progress
from runs.scripts import SHORT_LIMIT, run_detached_script, run_script
from runs.sessions import locked_session

LIMIT = timedelta(minutes=5)


@step(RESET_HOST, "planned.subject")
def reset_host(planned: PlannedStep, run: SpecContext) -> None:
    """Undo everything that this cluster put on the host; a host of another cluster is refused."""
    with record_step(planned, run) as attempt:
        session = locked_session(run.host(planned.subject), run)
        run_detached_script(attempt, session, run.cluster, "host/reset.sh.j2", planned.values, LIMIT, stops_others=True)
        for line in attempt.output.splitlines():
            if line.startswith("stopped sixstack-"):
                report_progress(run, f"{planned.subject}: {line}")
        # only after the end of the reset: with the state on the host, the next run finds a reset whose connection was lost
        run_script(attempt, session, "host/remove-step-state.sh.j2", remove_step_state_values(run.cluster), SHORT_LIMIT)
        attempt.change("the host is as it was before the cluster")
