"""The result of a retest: which step failed first, and whether anything was changed at all."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.plan.outcome import NotStarted, StepOutcome
from cluster.retests.order import Candidate, RetestSettings, plan_retests
from cluster.retests.outcome import first_failed_step, refused, retests_summary
from cluster.vocabulary.errors import CannotApply, ClusterError, HostUnreachable
from cluster.vocabulary.problems import Problem


def record(step: str, host: str, outcome: str, end: int, attempt: int = 1) -> dict[str, Any]:
    """One attempt."""
    return {"step": step, "host": host, "outcome": outcome, "attempt": attempt, "end": f"2026-11-26T02:00:{end:02}Z"}


def test_the_first_step_that_failed_for_good_is_named() -> None:
    """Not one that succeeded when it was tried again, and not a later one."""
    records = [
        record("inspect-host", "node-1", "failed", 1),
        record("inspect-host", "node-1", "unchanged", 5, attempt=2),
        record("join-worker", "node-2", "failed", 30, attempt=2),
        record("join-worker", "node-2", "failed", 9),
        record("wait-ready", "node-3", "failed", 20),
    ]
    assert first_failed_step(records) == "join-worker/node-2"
    assert first_failed_step(records[:2]) == ""
    assert first_failed_step([]) == ""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CannotApply([Problem("no-test-hosts", "test_hosts", "", "")]), True),
        (CannotApply([Problem("host-not-inspected", "hosts/a", "", "")]), False),
        (CannotApply([Problem("host-not-inspected", "hosts/a", "", ""), Problem("leftovers", "hosts/b", "", "")]), True),
        (ClusterError("broken"), False),
        (HostUnreachable("a", "no route"), False),
    ],
    ids=["not a test host", "unreachable", "both", "broken", "lost"],
)
def test_a_refusal_is_no_failure(error: Exception, expected: bool) -> None:
    """A host that is not reached makes a retest fail."""
    assert refused(error) is expected


def test_the_summary_has_a_line_for_each_cluster() -> None:
    """Passed, not passed with the reason, skipped."""
    plan = plan_retests([Candidate(name, "ipv4", frozenset("1")) for name in "abc"], RetestSettings(keep_failed=True))
    ends = (StepOutcome(), StepOutcome(None, ClusterError("no route")), StepOutcome(None, NotStarted("")))
    text, succeeded = retests_summary(plan, dict(zip((step.id for step in plan.steps), ends, strict=True)))
    assert not succeeded
    assert [line.split(":")[0] for line in text.splitlines()[1:]] == ["- a", "- b", "- c"]
    assert "no route" in text
    assert retests_summary(plan, {step.id: StepOutcome() for step in plan.steps})[1]
