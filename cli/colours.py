"""Colours on a terminal. None in a pipe, with NO_COLOR (https://no-color.org), or on a terminal without colours."""

from __future__ import annotations

import os
import re
import sys

_COLOURS = {"red": 31, "green": 32, "yellow": 33}
# of a line of a run: the time, the step and its subject stay as they are
_OUTCOME = re.compile(r"(: )(changed|failed)( in )")


def coloured(text: str, colour: str) -> str:
    """The text in a colour, if standard output shows colours."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb":
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def coloured_line(line: str) -> str:
    """A line of a run: the outcome of a step that failed or changed something in a colour."""
    return _OUTCOME.sub(
        lambda found: f"{found[1]}{coloured(found[2], 'red' if found[2] == 'failed' else 'green')}{found[3]}", line, count=1
    )
