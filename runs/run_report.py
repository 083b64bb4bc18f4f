"""What the pages at the end of a run are made of: its steps, the problems of steps that failed, its pages so far, and its summary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from cluster.plan.problems_page import problems_in
from cluster.plan.steps_page import StepTime
from cluster.vocabulary.problems import Problem
from runs.context import RunContext


@dataclass
class RunReport:
    """The report of one flow run, while its process works on it."""

    run: RunContext
    steps: list[StepTime] = field(default_factory=list)
    failures: dict[tuple[str, str], tuple[Problem, ...]] = field(default_factory=dict)  # by step and host: of the last attempt
    problems: tuple[Problem, ...] = ()  # why nothing was begun
    pages: dict[str, UUID] = field(default_factory=dict)  # the newest artifact of each key
    summary: str = ""

    def problems_of(self, error: BaseException) -> tuple[Problem, ...]:
        """What the run reports when it fails with an error: the causes, if the error only sums them up."""
        if not self.problems and not getattr(error, "problems", ()) and self.failures:
            return tuple(dict.fromkeys(problem for found in self.failures.values() for problem in found))
        return self.problems or problems_in(error, f"clusters/{self.run.cluster}", self.run.cluster)


_open: dict[str, RunReport] = {}  # by id of the flow run


def open_report(run: RunContext) -> RunReport:
    """Begin the report of a flow run."""
    return _open.setdefault(run.id, RunReport(run))


def close_report(run_id: str) -> None:
    """Forget it."""
    _open.pop(run_id, None)


def report_run(run: RunContext) -> None:
    """The context of the run, once the cluster file is read."""
    if run.id in _open:
        _open[run.id].run = run


def report_attempt(run: RunContext, time: StepTime, error: BaseException | None) -> None:
    """An attempt that ended, and its error, without secrets."""
    if (report := _open.get(run.id)) is None:
        return
    report.steps.append(time)
    if error is None:
        report.failures.pop((time.step, time.host), None)
    else:
        at = f"clusters/{run.cluster}" if time.host == "cluster" else f"hosts/{time.host}"
        report.failures[time.step, time.host] = problems_in(error, at, run.cluster)


def report_problems(run: RunContext, problems: Iterable[Problem]) -> None:
    """Why the run begins nothing, when its error has them only as text."""
    if (report := _open.get(run.id)) is not None:
        report.problems = tuple(problems)


def report_page(run: RunContext, key: str, artifact: UUID) -> None:
    """An artifact that was written."""
    if (report := _open.get(run.id)) is not None:
        report.pages[key] = artifact


def report_summary(run: RunContext, text: str) -> None:
    """The result of the run, for its summary."""
    if (report := _open.get(run.id)) is not None:
        report.summary = text
