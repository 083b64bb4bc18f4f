"""Reports the progress of a fetch or a build of a bundle: a line after each part, and a heartbeat every few seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

HEARTBEAT = 10.0  # seconds


def on_stderr(line: str) -> None:
    """The default target of progress lines: standard error."""
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Counts parts. `report` gets the lines, from one thread at a time."""

    def __init__(self, report: Callable[[str], None], waiting: list[str], doing: str) -> None:
        self._doing = doing
        self._report, self._total, self._waiting = report, len(waiting), list(waiting)
        self._running: dict[str, float] = {}
        self._done = 0
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Report heartbeats during the block."""
        thread = threading.Thread(target=self._beat, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Report one part, which is made in the block."""
        with self._lock:
            self._running[name] = time.monotonic()
            if name in self._waiting:
                self._waiting.remove(name)
        try:
            yield
        except BaseException:
            with self._lock:
                del self._running[name]
            raise
        with self._lock:
            self._done += 1
            took = time.monotonic() - self._running.pop(name)
            upcoming = f", next: {self._waiting[0]}" if self._waiting else ""
            self._report(f"[{_clock(time.monotonic() - self._start)}] {self._done}/{self._total} {name} ({took:.0f} s){upcoming}")

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            with self._lock:
                now = time.monotonic()
                running = ", ".join(f"{name} {_clock(now - since)}" for name, since in self._running.items())
                self._report(f"[{_clock(now - self._start)}] {self._done}/{self._total} {self._doing}: {running or 'nothing yet'}")


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
