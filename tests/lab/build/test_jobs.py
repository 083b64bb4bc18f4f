"""The order of a build's jobs."""

from __future__ import annotations

import threading

import pytest

from bundle.progress import Progress
from lab.build.jobs import Job, run_jobs


def run(jobs: list[Job], at_once: int = 2) -> list[str]:
    """Run the jobs and return the lines of progress; fails when the jobs stop the build."""
    said: list[str] = []
    run_jobs(jobs, at_once, Progress(said.append, [job.title for job in jobs], "building"), lambda: pytest.fail("stopped"))
    return said


def test_a_job_starts_after_its_dependencies() -> None:
    """In any order of the list."""
    order: list[str] = []
    run(
        [
            Job("image", lambda: order.append("image"), frozenset({"build", "packages"})),
            Job("packages", lambda: order.append("packages")),
            Job("build", lambda: order.append("build")),
        ]
    )
    assert order == ["packages", "build", "image"]


def test_a_job_waits_only_for_its_dependencies() -> None:
    """A short job ends while a long job still runs."""
    filed = threading.Event()
    lines = run(
        [
            Job("long", lambda: filed.wait(20)),
            Job("short", lambda: None),
            Job("file of short", filed.set, frozenset({"short"})),
        ]
    )
    assert [line.split()[2] for line in lines] == ["short", "file", "long"]


def test_the_concurrency_is_limited() -> None:
    """Each Go build takes memory."""
    running, most = [0], [0]
    guard = threading.Lock()

    def work() -> None:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.01)
        with guard:
            running[0] -= 1

    run([Job(str(number), work) for number in range(12)], at_once=3)
    assert most == [3]


def test_a_failure_stops_the_build() -> None:
    """The failure is raised, running programs are stopped, and no waiting job is started."""
    stopped: list[bool] = []

    def fail() -> None:
        raise RuntimeError("no compiler")

    jobs = [Job("build", fail), Job("image", lambda: pytest.fail("started"), frozenset({"build"}))]
    with pytest.raises(RuntimeError, match="no compiler"):
        run_jobs(jobs, 2, Progress(lambda _: None, [job.title for job in jobs], "building"), lambda: stopped.append(True))
    assert stopped == [True]
