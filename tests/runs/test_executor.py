"""The executor runs a plan as its edges say, on a real Prefect server: also when any one step fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cluster.plan.test_graph import MEASURED
from tests.cluster.plan.virtual_time import run_in_virtual_time
from tests.conftest import Workplace
from tests.runs.plans import new_cluster

pytestmark = pytest.mark.server

PLAN = new_cluster()


@pytest.fixture(scope="module")
def executed(prefect_server: Workplace) -> dict[str, Any]:
    """What came of the plan without a failure (key ""), and with each step failing."""
    done = prefect_server.python("-m", "tests.runs.execute_plans", limit=300)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_step_runs_once_and_after_what_it_waits_for(executed: dict[str, Any]) -> None:
    """The order in which the steps began is one that the edges allow."""
    ran = executed[""]["ran"]
    assert sorted(ran) == sorted(step.id for step in PLAN.steps)
    for step in PLAN.steps:
        assert all(ran.index(each) < ran.index(step.id) for each in (*step.needs, *step.after)), step.id
    assert set(executed[""]["ended"].values()) == {"succeeded"}


@pytest.mark.parametrize("failing", [step.id for step in PLAN.steps])
def test_a_step_that_fails_keeps_back_only_the_steps_that_need_it(executed: dict[str, Any], failing: str) -> None:
    """The executor starts exactly the steps that the virtual-time run starts."""
    expected = set(run_in_virtual_time(PLAN, MEASURED, {failing}).starts)
    assert set(executed[failing]["ran"]) == expected
    ended = executed[failing]["ended"]
    assert ended[failing] == "failed"
    assert {each for each, word in ended.items() if word == "not started"} == {step.id for step in PLAN.steps} - expected
