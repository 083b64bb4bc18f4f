"""The line that changes while a run is followed: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cli.status_line import StatusLine
from tests.cli.terminal import printed_on_a_terminal

SCRIPT = """
from cli.status_line import StatusLine
status = StatusLine()
for line in ("plan cluster: done in 0.1 s: 2 steps to do", "prepare-host a: changed in 3.0 s: prepared"):
    status.count(line)
    status.print(line)
status.clear()
"""
LINES = "plan cluster: done in 0.1 s: 2 steps to do\nprepare-host a: changed in 3.0 s: prepared\n"
CLEAR = "\r\x1b[K"


def test_each_step_of_the_plan_counts_once() -> None:
    """Also when it is tried again; not what a run does before its plan, nor a line that is no step."""
    status = StatusLine()
    status.count("inspect-host a: done in 0.6 s: Debian")
    assert status.text == "... 0:00"
    for line in (
        *("plan cluster: done in 0.1 s: 3 steps to do", "prepare-host a: failed in 3.0 s: a: no connection"),
        *("prepare-host a: changed in 3.0 s: prepared", "note: the kernel is old", "wait-ready a: done in 4.0 s: Ready"),
    ):
        status.count(line)
    assert status.text == "... 2 of 3 steps, 0:00"


@pytest.mark.parametrize(("term", "terminal"), [("xterm", True), ("dumb", True), ("xterm", False)])
def test_the_line_is_on_a_terminal_below_all_others(term: str, terminal: bool) -> None:
    """It is removed before each line and at the end. A pipe gets the lines only."""
    if not terminal:
        command = [sys.executable, "-c", SCRIPT]
        assert subprocess.run(command, env={**os.environ, "TERM": term}, capture_output=True, text=True, check=True).stdout == LINES
        return
    found = printed_on_a_terminal(SCRIPT, {"TERM": term})
    if term == "dumb":
        assert found == LINES
    else:
        first, second = LINES.splitlines()
        assert found == (f"{CLEAR}{first}\n{CLEAR}... 0 of 2 steps, 0:00{CLEAR}{second}\n{CLEAR}... 1 of 2 steps, 0:00{CLEAR}")
