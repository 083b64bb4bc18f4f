"""The table of tasks covers every kind of step that a planner plans."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from cluster.plan.graph import Plan, PlannedStep
from cluster.vocabulary.errors import Bug
from runs.context import RunContext
from runs.executor import execute
from tasks.table import TASKS

PLANNERS = Path(__file__).parents[2] / "cluster" / "plan"


def planned_kinds() -> set[str]:
    """The constants of the planners: upper case, with a string of words and hyphens."""
    kinds = set()
    for name in ("create", "delete", "drain", "host_network", "remove", "renew", "restore", "retest_workload", "test_hosts", "upgrade"):
        for node in ast.parse((PLANNERS / f"{name}.py").read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                kinds.add(node.value.value)
    return kinds


def test_every_kind_has_a_task_and_every_task_a_kind() -> None:
    """A kind without a task could not run; a task without a kind never would."""
    assert set(TASKS) == planned_kinds()


@pytest.mark.parametrize("kind", sorted(TASKS))
def test_a_task_is_named_after_its_kind(kind: str) -> None:
    """Records, the UI and the plan use one name."""
    assert TASKS[kind].name == kind


def test_a_plan_with_an_unknown_kind_starts_nothing() -> None:
    """The executor looks before the first step is submitted."""
    plan = Plan("demo", (PlannedStep("label-node", "a", "its node is new", {}), PlannedStep("unheard-of", "a", "", {})))
    with pytest.raises(Bug, match="unheard-of"):
        execute(plan, {"label-node": TASKS["label-node"]}, RunContext("demo", "run", "none", "none"))
