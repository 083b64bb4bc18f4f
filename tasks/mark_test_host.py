"""Steps mark-test-host and unmark-test-host: the marker file without which retest-clusters does not touch a machine."""

from __future__ import annotations

from cluster.plan.graph import PlannedStep
from cluster.plan.test_hosts import MARK_TEST_HOST, UNMARK_TEST_HOST
from runs.attempts import record_step, step
from runs.context import SpecContext
from runs.scripts import SHORT_LIMIT, run_script
from runs.sessions import locked_session


@step(MARK_TEST_HOST, "planned.subject")
def mark_test_host(planned: PlannedStep, run: SpecContext) -> None:
    """Write the marker."""
    with record_step(planned, run) as attempt:
        run_script(attempt, locked_session(run.host(planned.subject), run), "host/mark-test-host.sh.j2", {}, SHORT_LIMIT)
        attempt.change("/etc/sixstack/test-host written")


@step(UNMARK_TEST_HOST, "planned.subject")
def unmark_test_host(planned: PlannedStep, run: SpecContext) -> None:
    """Remove the marker."""
    with record_step(planned, run) as attempt:
        run_script(attempt, locked_session(run.host(planned.subject), run), "host/unmark-test-host.sh.j2", {}, SHORT_LIMIT)
        attempt.change("/etc/sixstack/test-host removed")
