"""While a run is followed on a terminal: a last line with the steps that have ended and the time. None in a pipe."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import environ

from cluster.vocabulary.events import STEP

_PLANNED = re.compile(r"plan\S* cluster: done in \S+ s: (\d+) steps to do")


class StepCount:
    """How many steps of the plan have ended, from the lines of a run. A run that makes no plan has none."""

    def __init__(self) -> None:
        self._planned = 0
        self._ended: set[str] = set()

    def add(self, event: str, subject: str, line: str) -> None:
        """One line, with the event that has it and the name of the event's resource. A step that is repeated is one step."""
        if planned := _PLANNED.match(line):
            self._planned = int(planned[1])
            self._ended.clear()
        elif event.startswith(f"{STEP}."):
            self._ended.add(subject)

    def __str__(self) -> str:
        if not self._planned:
            return "running"
        return f"{min(len(self._ended), self._planned)} of {self._planned} steps"


@contextmanager
def live_progress() -> Iterator[StepCount]:
    """The count for the lines that are printed inside; it is displayed below them, if standard output is a terminal that can move its cursor."""
    count = StepCount()
    if not sys.stdout.isatty() or environ.get("TERM", "dumb") == "dumb":
        yield count
        return
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TimeElapsedColumn
    from rich.text import Text

    class Count(ProgressColumn):
        """Is read each time the line is drawn."""

        def render(self, task: Task) -> Text:  # noqa: ARG002 the interface
            return Text(str(count))

    # what is printed inside appears above the line, which is gone at the end
    with Progress(SpinnerColumn("line"), Count(), TimeElapsedColumn(), transient=True) as line:
        line.add_task("", total=None)
        yield count
