"""The last line of a terminal while a run is followed."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from cli.live_progress import StepCount

SCRIPT = """
import time
from cli.live_progress import live_progress
with live_progress() as count:
    for event, subject, line in [
        ("sixstack.step.unchanged", "plan cluster", "plan cluster: done in 0.3 s: 2 steps to do"),
        ("sixstack.step.changed", "prepare-host a", "prepare-host a: changed in 1.0 s: prepared"),
    ]:
        count.add(event, subject, line)
        print(line)
        time.sleep(0.3)
"""
LINES = "plan cluster: done in 0.3 s: 2 steps to do\nprepare-host a: changed in 1.0 s: prepared\n"


def counted(*steps: str) -> str:
    """The count after the plan of three steps, and these attempts."""
    count = StepCount()
    count.add("sixstack.step.unchanged", "inspect-host a", "inspect-host a: done in 0.3 s")
    count.add("sixstack.step.unchanged", "plan cluster", "plan cluster: done in 0.3 s: 3 steps to do")
    for step in steps:
        count.add("sixstack.step.changed", step, f"{step}: changed in 1.0 s")
    count.add("sixstack.run.progress", "a line", "a line")
    return str(count)


def test_steps_of_the_plan_are_counted() -> None:
    """Those before it are not, and a step that is repeated is one step."""
    assert counted() == "0 of 3 steps"
    assert counted("prepare-host a", "prepare-host a", "prepare-host b") == "2 of 3 steps"


def test_a_run_without_a_plan_has_no_count() -> None:
    """Such as a network check."""
    count = StepCount()
    count.add("sixstack.step.unchanged", "verify-network cluster", "verify-network cluster: done in 3.0 s")
    assert str(count) == "running"


def on_terminal(kind: str) -> str:
    """What the script writes to a terminal of this kind."""
    main, of_process = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", SCRIPT], env={**os.environ, "TERM": kind}, stdin=of_process, stdout=of_process, check=True)
        return os.read(main, 65536).decode().replace("\r\n", "\n")
    finally:
        os.close(main)
        os.close(of_process)


def test_a_terminal_shows_the_count_below_the_lines() -> None:
    """And is left with the lines."""
    written = on_terminal("xterm")
    assert all(line in written for line in LINES.splitlines())
    assert "1 of 2 steps" in written
    assert "\x1b[2K" in written.rpartition("1 of 2 steps")[2], "the last line is not removed"


@pytest.mark.parametrize("kind", ["a pipe", "dumb"])
def test_elsewhere_there_are_only_the_lines(kind: str) -> None:
    """A pipe, and a terminal that cannot move its cursor."""
    if kind == "dumb":
        assert on_terminal(kind) == LINES
    else:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env={**os.environ, "TERM": "xterm"}, capture_output=True, text=True, check=True
        )
        assert done.stdout == LINES
