"""A cancelled run: work that can undo itself has time for it, and its connections meanwhile."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from runs.cancellation import cancel, undone_when_cancelled
from runs.context import RunContext
from tests.conftest import Workplace

SCRIPT = Path(__file__).with_name("cancelled_run.py")


def run_of(name: str) -> RunContext:
    """A run that is not a flow run."""
    return RunContext("demo", name, "default", "default")


def test_the_end_of_a_run_waits_for_the_work_of_this_run_alone() -> None:
    """Work of another run is not told."""
    run, other = run_of("first"), run_of("second")
    undone: list[str] = []
    begun = threading.Barrier(3)

    def work(name: str, of: RunContext) -> None:
        with undone_when_cancelled(of) as cancelled:
            begun.wait()
            end = time.monotonic() + 10
            while not cancelled() and time.monotonic() < end:
                time.sleep(0.01)
            undone.append(name)

    threads = [threading.Thread(target=work, args=(name, run)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    with undone_when_cancelled(other) as cancelled:
        begun.wait()
        cancel(run)
        assert sorted(undone) == ["a", "b"]
        assert not cancelled()
    for thread in threads:
        thread.join()


def test_work_that_does_not_end_holds_nobody_up_for_long() -> None:
    """The process would be killed otherwise. Without work, nothing is awaited."""
    run, begin = run_of("third"), time.monotonic()
    cancel(run_of("fourth"))
    with undone_when_cancelled(run):
        cancel(run, 0.2)
    assert 0.2 <= time.monotonic() - begin < 2


@pytest.mark.server
def test_the_sessions_of_a_terminated_run_are_open_until_its_work_is_undone(prefect_server: Workplace) -> None:
    """On the real server, with the signal that Prefect's worker sends."""
    process = prefect_server.popen(str(SCRIPT), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work a\n"
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=60)
    assert rest.splitlines() == ["undone", "sessions closed"]
