"""The programs of a build: none outlives it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cluster.vocabulary.errors import EnvironmentFault
from lab.build.program import Programs


def test_a_failure_shows_the_end_of_what_was_printed() -> None:
    """The error has the command, its exit code and its standard error."""
    with pytest.raises(EnvironmentFault, match=r"\b3:\nno such module"):
        Programs().run(["sh", "-c", "echo no such module >&2; exit 3"], limit=10)


def running(command_line: str) -> bool:
    """Whether a process has just this command line."""
    found = False
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended
            found |= path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() == command_line
    return found


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that must happen."""
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_program_that_hangs_is_ended_with_its_children() -> None:
    """The time limit ends the whole process group."""
    with pytest.raises(EnvironmentFault, match="did not end within"):
        Programs().run(["sh", "-c", "sleep 4323 & sleep 4323"], limit=3)
    until(lambda: not running("sleep 4323"))


def test_stopping_ends_what_runs_and_starts_nothing_more() -> None:
    """One part that failed stops the others."""
    programs, ended = Programs(), threading.Event()

    def work() -> None:
        with pytest.raises(EnvironmentFault):
            programs.run(["sleep", "4324"], limit=4324)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: running("sleep 4324"))
    programs.stop()
    assert ended.wait(60)
    thread.join()
    with pytest.raises(EnvironmentFault, match="the build was stopped"):
        programs.run(["true"], limit=1)
