"""Colours: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.cli.terminal import printed_on_a_terminal

SCRIPT = """
from cli.colours import coloured, coloured_line
print(coloured("completed", "green"))
print(coloured_line("prepare-host a: failed in 0.1 s: it says: changed in 3"))
print(coloured_line("plan cluster: done in 0.1 s: 7 steps"))
"""
COLOURED = "\x1b[32mcompleted\x1b[0m\nprepare-host a: \x1b[31mfailed\x1b[0m in 0.1 s: it says: changed in 3\nplan cluster: done in 0.1 s: 7 steps\n"
PLAIN = "completed\nprepare-host a: failed in 0.1 s: it says: changed in 3\nplan cluster: done in 0.1 s: 7 steps\n"


def printed(variables: dict[str, str], *, terminal: bool) -> str:
    """What a process prints on a terminal of its own, or into a pipe."""
    variables = {"NO_COLOR": "", **variables}
    if terminal:
        return printed_on_a_terminal(SCRIPT, variables)
    return subprocess.run(
        [sys.executable, "-c", SCRIPT], env={**os.environ, **variables}, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("variables", "terminal", "expected"),
    [
        ({"TERM": "xterm"}, True, COLOURED),
        ({"TERM": "xterm"}, False, PLAIN),
        ({"TERM": "dumb"}, True, PLAIN),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, PLAIN),
    ],
    ids=str,
)
def test_a_terminal_gets_colours_and_a_pipe_none(variables: dict[str, str], terminal: bool, expected: str) -> None:
    """Only the outcome of a step is coloured, whatever a host wrote behind it."""
    assert printed(variables, terminal=terminal) == expected
