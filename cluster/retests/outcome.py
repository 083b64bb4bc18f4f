"""How the retest of a cluster ended, from its parts, and the summary of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.plan.graph import Plan, step_id
from cluster.plan.outcome import StepOutcome
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.records import Outcome

KEPT = "its machines have a failed cluster, which is kept for inspection"  # why a retest is skipped


def refused(error: BaseException) -> bool:
    """Whether freeing the hosts was refused before anything changed, and not because a host could not be reached."""
    return isinstance(error, SpecError) and any(problem.code != "host-not-inspected" for problem in error.problems)


def first_failed_step(records: Sequence[Mapping[str, Any]]) -> str:
    """The id of the step that failed first and did not succeed later, from the audit records of a run; "" when none did."""
    last = {(record["step"], record["host"]): record["outcome"] for record in sorted(records, key=lambda record: int(record["attempt"]))}
    failed = [record for record in records if last[record["step"], record["host"]] == Outcome.FAILED]
    first = min(failed, key=lambda record: str(record["end"]), default=None)
    return "" if first is None else step_id(first["step"], first["host"])


def retests_summary(plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a run, and whether every cluster passed."""
    passed = sum(outcome.succeeded for outcome in outcomes.values())
    lines = [f"{passed} of {len(plan.steps)} retests passed"]
    for step in plan.steps:
        outcome = outcomes[step.id]
        if outcome.succeeded:
            lines.append(f"- {step.subject}: passed")
        elif outcome.started:
            failure = (outcome.failure or "").replace("\n", "\n  ")  # its own list items are not further clusters
            lines.append(f"- {step.subject}: NOT passed: {failure}")
        else:
            lines.append(f"- {step.subject}: skipped: {KEPT}")
    return "\n".join(lines), passed == len(plan.steps)
