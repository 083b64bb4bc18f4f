"""The plan as a page of the Prefect UI."""

from __future__ import annotations

from cluster.plan.create import plan_create
from cluster.plan.graph import Plan, PlannedStep
from cluster.plan.page import plan_page
from tests.cluster.plan.test_create import SPEC, bare

PLAN = plan_create(SPEC, {"a": bare("a"), "b": bare("b")}, {}, None)


def test_the_page_has_the_graph_and_the_same_steps_as_a_table() -> None:
    """The V2 UI draws the graph; the V1 UI has the table."""
    page = plan_page(PLAN)
    assert f"```mermaid\n{PLAN.as_mermaid()}\n```" in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len(rows) == len(PLAN.steps) + 2
    assert all(f"| {step.kind} | {step.subject} |" in page for step in PLAN.steps)


def test_text_of_hosts_stays_inside_its_cell() -> None:
    """A bar, a line feed and markup of a reason are no structure of the page."""
    plan = Plan("demo", (PlannedStep("label-node", "a", "x | y\nz <b>`", {}),), ("a | note\nwith lines",))
    rows = [line for line in plan_page(plan).splitlines() if line.startswith("| 1 ")]
    assert rows == ["| 1 | label-node | a | - | x \\| y z &lt;b>\\` |"]
    assert "- a \\| note with lines" in plan_page(plan)


def test_a_large_graph_is_not_drawn() -> None:
    """A browser would take minutes; the table has every step."""
    plan = Plan("demo", tuple(PlannedStep("label-node", f"node-{number}", "the node is new", {}) for number in range(300)))
    assert "mermaid" not in plan_page(plan)
    assert "node-299" in plan_page(plan)


def test_the_page_of_an_empty_plan() -> None:
    """Nothing is to be done."""
    assert plan_page(Plan("demo")).startswith("# Plan for cluster demo\n\nNothing to do")
