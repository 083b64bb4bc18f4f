"""The programs of a build: none outlives it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from cluster.vocabulary.errors import EnvironmentFault
from lab.build.program import Programs


def test_a_failure_shows_the_end_of_what_was_printed() -> None:
    """The error has the command, its exit code and its standard error."""
    with pytest.raises(EnvironmentFault, match=r"ended with 3:\nno such module"):
        Programs().run(["sh", "-c", "echo no such module >&2; exit 3"], limit=10)


def test_a_program_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """The time limit ends the whole process group."""
    with pytest.raises(EnvironmentFault, match="did not end within"):
        Programs().run(["sh", "-c", f"(sleep 1; touch {tmp_path}/late) & wait"], limit=0.2)
    time.sleep(1.2)
    assert not (tmp_path / "late").exists()


def test_stopping_ends_what_runs_and_starts_nothing_more() -> None:
    """One part that failed stops the others."""
    programs, ended = Programs(), threading.Event()

    def work() -> None:
        with pytest.raises(EnvironmentFault):
            programs.run(["sleep", "60"], limit=60)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    programs.stop()
    assert ended.wait(5)
    thread.join()
    with pytest.raises(EnvironmentFault, match="the build was stopped"):
        programs.run(["true"], limit=1)
