"""The summary of a run as a page."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cluster.plan.summary_page import next_steps, summary_page
from tests.cluster.plan.test_steps_page import STEPS


def test_it_has_the_result_the_other_pages_commands_and_durations() -> None:
    """In this order: the result is read first."""
    page = summary_page("cluster demo: joined\n- a: joined", STEPS, {"demo-plan": "1", "demo-steps": "2"}, "Next: rest")
    parts = page.split("\n\n")
    assert parts[0] == "cluster demo: joined\n- a: joined"
    assert parts[1] == "Pages of this run: [demo-plan](../../artifacts/artifact/1), [demo-steps](../../artifacts/artifact/2)"
    assert parts[2] == "Next: rest"
    assert "5 steps took 13 min." in page
    assert page.index("| join-worker | node-2 | 12 min | changed |") < page.index("| prepare-host | node-2 | 30 s | failed |")


def test_a_run_without_steps_has_no_durations() -> None:
    """Nor links and commands that it does not have."""
    assert summary_page("nothing to do", (), {}, "") == "nothing to do"


def test_the_next_steps_fit_the_operation_and_its_result() -> None:
    """A cluster that was deleted has no nodes to look at."""
    created = next_steps("create-cluster", "demo", succeeded=True)
    assert "`verify-cluster`, with `demo` as `cluster`" in created
    assert "\nsixstack kubectl demo -- get nodes -o wide\n" in created
    assert next_steps("delete-cluster", "demo", succeeded=True) == ""
    failed = next_steps("create-cluster", "demo", succeeded=False)
    assert "`demo-problems`" in failed
    assert "```\nsixstack audit demo\n```" in failed


def test_the_deployments_of_the_next_steps_exist() -> None:
    """Their names are those of the file that is registered."""
    file = Path(__file__).parents[3] / "deployments" / "prefect.yaml"
    registered = {each["entrypoint"].rpartition(".")[2].replace("_", "-") for each in yaml.safe_load(file.read_text())["deployments"]}
    named = {name for flow in registered for name in re.findall(r"`([a-z]+-[a-z]+)`", next_steps(flow, "demo", succeeded=True))}
    assert "create-cluster" in named
    assert named <= registered
