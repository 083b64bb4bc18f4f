"""The page of a run's steps: a chart by host, and the same steps as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cluster.plan.steps_page import StepTime, elapsed, steps_page
from cluster.vocabulary.records import Outcome

BEGIN = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def step(kind: str, host: str, begin: float, seconds: float, outcome: Outcome = Outcome.CHANGED) -> StepTime:
    """A step that began some seconds after the first one."""
    start = BEGIN + timedelta(seconds=begin)
    return StepTime(kind, host, outcome, start, start + timedelta(seconds=seconds))


STEPS = (
    step("validate", "cluster", 0, 0.1, Outcome.UNCHANGED),
    step("prepare-host", "node-1", 2, 8.24),
    step("prepare-host", "node-2", 2, 30, Outcome.FAILED),
    step("prepare-host", "node-2", 35, 20),
    step("join-worker", "node-2", 60, 700),
)


def test_the_chart_has_a_section_for_each_host_with_its_steps() -> None:
    """In the order in which the hosts had their first step; a second attempt is a bar of its own."""
    chart = steps_page("demo", tuple(reversed(STEPS))).partition("```mermaid\n")[2].partition("\n```")[0].splitlines()
    sections = [number for number, line in enumerate(chart) if line.startswith("  section ")]
    assert [chart[number] for number in sections] == ["  section cluster", "  section node-1", "  section node-2"]
    begin = round(BEGIN.timestamp() * 1000)
    assert chart[sections[2] + 1 :] == [
        f"  prepare-host 30 s :crit, {begin + 2000}, {begin + 32000}",
        f"  prepare-host 20 s :active, {begin + 35000}, {begin + 55000}",
        f"  join-worker 12 min :active, {begin + 60000}, {begin + 760000}",
    ]


@pytest.mark.parametrize(("seconds", "tick"), [(6, "1second"), (71, "30second"), (760, "2minute"), (7200, "1hour"), (90000, "6hour")])
def test_the_times_below_the_chart_do_not_overlap(seconds: float, tick: str) -> None:
    """There are seven at most, but for a run of days."""
    assert f"  tickInterval {tick}\n" in steps_page("demo", [step("wait", "a", 0, seconds)])


def test_the_table_has_every_attempt_in_order_of_begin() -> None:
    """The V1 UI draws no chart. A step that only looks is done, not unchanged."""
    rows = [line for line in steps_page("demo", STEPS).splitlines() if line.startswith("| ")][2:]
    assert rows == [
        "| cluster | validate | +0.0 s | 0.1 s | done |",
        "| node-1 | prepare-host | +2.0 s | 8.2 s | changed |",
        "| node-2 | prepare-host | +2.0 s | 30 s | failed |",
        "| node-2 | prepare-host | +35.0 s | 20 s | changed |",
        "| node-2 | join-worker | +60.0 s | 12 min | changed |",
    ]


def test_a_long_chart_is_not_drawn() -> None:
    """The table has every step."""
    page = steps_page("demo", [step("prepare-host", f"node-{number}", number, 1) for number in range(121)])
    assert "mermaid" not in page
    assert "| node-120 |" in page


def test_a_name_is_no_syntax_of_the_chart() -> None:
    """Names of Deployments and of old records may have any letters: a colon would begin the times of a bar."""
    page = steps_page("demo", [step("set: x, y", "a/b\nsection c", 0, 1)])
    assert "  section a_b_section_c\n  set__x__y 1.0 s :active, " in page


def test_the_duration_of_a_run_is_no_sum() -> None:
    """Steps run at the same time."""
    assert elapsed(STEPS) == 760
    assert elapsed(()) == 0


def test_a_run_without_a_step() -> None:
    """It failed before."""
    assert "No step was begun." in steps_page("demo", ())
