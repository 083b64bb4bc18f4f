"""The last line on a terminal while a run is followed: how many steps of the plan have ended, and how long it takes. None in a pipe.

Not with rich, which breaks the lines above its own at the width of the terminal: commands and addresses in them could not be copied.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time

_PLAN = re.compile(r"plan\S* \S+: .*: (\d+) steps? to do$")
_STEP = re.compile(r"(?P<step>\S+ \S+): (?:changed|unchanged|done|failed) in ")
_CLEAR = "\r\x1b[K"


class StatusLine:
    """Prints lines above a line that changes. Lines are not wrapped, so that commands and addresses in them can be copied."""

    def __init__(self) -> None:
        self._active = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._begin = time.monotonic()
        self._planned: int | None = None
        self._ended: set[str] = set()

    @property
    def text(self) -> str:
        """What the line says now."""
        seconds = int(time.monotonic() - self._begin)
        planned = "" if self._planned is None else f"{min(len(self._ended), self._planned)} of {self._planned} steps, "
        return f"... {planned}{seconds // 60}:{seconds % 60:02}"

    def count(self, line: str) -> None:
        """Count the step of a line of the run. A step that is tried again counts once; what comes before the plan is not part of it."""
        if plan := _PLAN.match(line):
            self._planned, self._ended = int(plan[1]), set()
        elif step := _STEP.match(line):
            self._ended.add(step["step"])

    def print(self, line: str) -> None:
        """Print a line above."""
        self.clear()
        print(line, flush=True)
        self.draw()

    def draw(self) -> None:
        """Write the line again."""
        if self._active:
            print(f"{_CLEAR}{self.text[: shutil.get_terminal_size().columns - 1]}", end="", flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._active:
            print(_CLEAR, end="", flush=True)
