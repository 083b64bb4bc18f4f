"""A plan that was made: what its record, the log and its artifact say of it."""

from __future__ import annotations

from collections.abc import Iterable

from cluster.plan.graph import Plan
from cluster.vocabulary.problems import Problem
from runs.artifacts import plan_artifact
from runs.attempts import Attempt
from runs.context import RunContext
from runs.progress import report_progress


def publish_plan(attempt: Attempt, run: RunContext, plan: Plan, warnings: Iterable[Problem] = ()) -> None:
    """The warnings and the notes of the plan become the output of the attempt and lines of the log; the plan becomes an artifact."""
    remarks = [*map(str, warnings), *plan.notes]
    attempt.output = "\n".join(remarks)
    for remark in remarks:
        report_progress(run, f"note: {remark}")
    plan_artifact(run, plan)
