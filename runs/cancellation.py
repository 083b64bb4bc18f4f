"""The end of a cancelled run: work that can undo itself does so first, and only then are the connections closed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runs.context import RunContext

# Prefect's worker kills a process 30 s after it has asked it to end; records and connections need some of them
SECONDS = 15.0

_change = threading.Condition()
_cancelled: set[str] = set()  # runs
_undoing: Counter[str] = Counter()  # by run: pieces of work that have not ended


@contextmanager
def undone_when_cancelled(run: RunContext) -> Iterator[Callable[[], bool]]:
    """Around work that undoes itself once the function says that the run is cancelled. The run keeps its connections until then."""
    with _change:
        _undoing[run.id] += 1
    try:
        yield lambda: run.id in _cancelled
    finally:
        with _change:
            _undoing[run.id] -= 1
            if not _undoing[run.id]:
                del _undoing[run.id]
            _change.notify_all()


def cancel(run: RunContext, seconds: float = SECONDS) -> None:
    """Tell the work of a run that it is cancelled, and wait until the work has undone itself, for `seconds` at most."""
    with _change:
        _cancelled.add(run.id)
        _change.wait_for(lambda: not _undoing[run.id], seconds)
