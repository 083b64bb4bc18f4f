"""The summary of a run as a page."""

from __future__ import annotations

from cluster.plan.summary_page import next_commands, summary_page
from tests.cluster.plan.test_steps_page import STEPS


def test_it_has_the_result_the_other_pages_commands_and_durations() -> None:
    """In this order: the result is read first."""
    page = summary_page("cluster demo: joined\n- a: joined", STEPS, {"demo-plan": "http://ui/plan", "demo-steps": ""}, ("sixstack x",))
    parts = page.split("\n\n")
    assert parts[0] == "cluster demo: joined\n- a: joined"
    assert parts[1] == "Pages of this run: [demo-plan](http://ui/plan), `demo-steps`"
    assert "```\nsixstack x\n```" in page
    assert "5 steps took 13 min." in page
    assert page.index("| join-worker | node-2 | 12 min | changed |") < page.index("| prepare-host | node-2 | 30 s | failed |")


def test_a_run_without_steps_has_no_durations() -> None:
    """Nor links and commands that it does not have."""
    assert summary_page("nothing to do", (), {}, ()) == "nothing to do"


def test_the_next_commands_fit_the_operation_and_its_result() -> None:
    """A cluster that was deleted has no nodes to look at."""
    assert "sixstack kubectl demo -- get nodes -o wide" in next_commands("create-cluster", "demo", succeeded=True)
    assert next_commands("delete-cluster", "demo", succeeded=True) == ()
    assert next_commands("create-cluster", "demo", succeeded=False) == ("sixstack audit demo",)
