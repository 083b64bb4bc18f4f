"""Runs a plan: one Prefect task run per step, ordered only by the plan's edges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, PrefectTaskRunFuture, as_completed
from prefect.states import Completed
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from cluster.plan.graph import Plan
from cluster.plan.outcome import StepOutcome
from cluster.vocabulary.errors import Bug
from runs.artifacts import show_progress, start_progress
from runs.cancellation import cancel
from runs.cluster_api import close_api
from runs.context import RunContext
from runs.outcomes import outcome_of
from runs.progress import report_progress
from runs.sessions import close_sessions

Tasks = Mapping[str, Task[..., Any]]  # kind of step -> its task, which takes the planned step and the run


def execute(plan: Plan, tasks: Tasks, run: RunContext) -> dict[str, StepOutcome]:
    """Run every step of a plan as soon as its edges allow; returns the outcomes by step id.

    A step is not started unless all of its `needs` succeeded. A failed step holds back only the steps that need it.
    """
    if unknown := sorted({step.kind for step in plan.steps} - set(tasks)):
        raise Bug(f"no task runs {', '.join(unknown)}: see tasks/table.py")
    futures: dict[str, PrefectFuture[Any]] = {}
    try:
        for step in plan.steps:
            upstream = [*(futures[step_id] for step_id in step.needs), *(_EndedEitherWay(futures[step_id]) for step_id in step.after)]
            # quoted: Prefect would search each parameter for futures, and a spec of a hundred hosts is large
            futures[step.id] = tasks[step.kind].submit(quote(step), quote(run), wait_for=upstream)
        _show_progress(run, list(futures.values()))
        return {step: outcome_of(future) for step, future in futures.items()}
    except BaseException:
        # A cancelled run: Prefect waits for the threads of the tasks, which wait for their hosts. Closing the connections ends them in time.
        cancel(run)
        close_api(run)
        close_sessions(run)
        raise


def _show_progress(run: RunContext, futures: list[PrefectFuture[Any]]) -> None:
    """Move the run's progress bar as steps end, in any order. A bar that cannot be moved must not end the run."""
    try:
        bar = start_progress(run)
        for done, _future in enumerate(as_completed(futures), start=1):
            show_progress(bar, done, len(futures))
    except Exception as fault:  # the server was away for longer than its client tries
        report_progress(run, f"note: the progress bar is not updated any more: {fault}")


class _EndedEitherWay(PrefectTaskRunFuture[Any]):
    """A future that completes when another one ends, successfully or not. allow_failure() does not cover a step that was never started."""

    def __init__(self, future: PrefectFuture[Any]) -> None:
        super().__init__(future.task_run_id)
        self._future = future

    @property
    def state(self) -> State[Any]:
        """Completed: only asked once `wait` has returned. Prefect refuses a completed state without data."""
        return Completed(data="ended")

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the other future has ended."""
        self._future.wait(timeout)

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> None:  # noqa: ARG002 the interface's
        """No value."""
        self.wait(timeout)

    def add_done_callback(self, fn: Callable[[PrefectFuture[Any]], None]) -> None:
        """Call `fn` when the other future has ended."""
        self._future.add_done_callback(fn)
