"""Executes plans with stand-in tasks, in a process of its own: python -m tests.runs.execute_plans AUDIT. Prints one JSON object.

The tasks stand in for SSH and Kubernetes only; Prefect, its server and the executor are the real ones.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from prefect import flow, task
from prefect.runtime import flow_run
from prefect.tasks import Task

from cluster.plan.graph import PlannedStep
from cluster.plan.outcome import StepOutcome
from cluster.vocabulary.errors import HostError
from runs.context import RunContext
from runs.executor import execute
from tests.runs.plans import new_cluster


def stand_in(kind: str, failing: str, ran: list[str]) -> Task[..., Any]:
    """A task that notes that it ran, and fails for one step."""

    @task(name=kind, task_run_name=kind + " {planned.subject}", persist_result=False)
    def run_step(planned: PlannedStep, run: RunContext) -> str:
        assert run.cluster == "plans"
        ran.append(planned.id)
        if planned.id == failing:
            raise HostError(planned.subject, "it fails in this test", "")
        return planned.id

    return run_step


@flow(name="execute-plans")
def execute_plans() -> dict[str, dict[str, Any]]:
    """The healthy run (key ""), and one run for each step that fails: the order in which steps began, and how each one ended."""
    plan = new_cluster()
    run = RunContext(cluster="plans", id=str(flow_run.id), audit="none", bundle="none")
    found = {}
    for failing in ("", *(step.id for step in plan.steps)):
        ran: list[str] = []
        outcomes = execute(plan, {step.kind: stand_in(step.kind, failing, ran) for step in plan.steps}, run)
        found[failing] = {"ran": ran, "ended": {each: _word(outcome) for each, outcome in outcomes.items()}}
    return found


def _word(outcome: StepOutcome) -> str:
    return "succeeded" if outcome.succeeded else "failed" if outcome.started else "not started"


if __name__ == "__main__":
    json.dump(execute_plans(), sys.stdout)
