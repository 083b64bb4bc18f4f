"""Runs the jobs of a build concurrently, each job after its dependencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from bundle.progress import Progress


@dataclass(frozen=True, slots=True)
class Job:
    """One job; `needs` are the titles of the jobs that must end before it starts."""

    title: str
    run: Callable[[], object]
    needs: frozenset[str] = frozenset()


def run_jobs(jobs: Sequence[Job], concurrency: int, progress: Progress, stop: Callable[[], None]) -> None:
    """Run all jobs, in this order if their dependencies allow. The first failure calls `stop`, cancels the other jobs and is raised."""
    waiting = list(jobs)
    done: set[str] = set()
    running: dict[Future[object], Job] = {}

    def work(job: Job) -> object:
        with progress.part(job.title):
            return job.run()

    with ThreadPoolExecutor(concurrency, thread_name_prefix="build") as pool:
        try:
            while waiting or running:
                for job in [job for job in waiting if job.needs <= done][: concurrency - len(running)]:
                    waiting.remove(job)
                    running[pool.submit(work, job)] = job
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    done.add(running.pop(future).title)
                    future.result()
        except BaseException:
            stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
