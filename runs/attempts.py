"""Around one attempt of one step: every task uses this, so that every attempt has a record."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from cluster.plan.graph import PlannedStep
from cluster.plan.steps_page import StepTime
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import Retryable, SixstackError, StepFailed
from cluster.vocabulary.events import STEP
from cluster.vocabulary.records import Outcome, StepRecord, shown_outcome
from cluster.vocabulary.redacted_errors import redacted_error
from cluster.vocabulary.redaction import redact
from runs.context import RunContext
from runs.progress import report_progress
from runs.record_writer import write_record
from runs.run_report import report_attempt


@dataclass
class Attempt:
    """What an attempt found and changed so far. The record is written when the attempt ends, successfully or not."""

    step: str
    host: str
    outcome: Outcome = Outcome.UNCHANGED
    found: str = ""
    changed: list[str] = field(default_factory=list)
    script_sha256: str | None = None
    exit_code: int | None = None
    output: str = ""
    secrets: set[str] = field(default_factory=set)
    extra: dict[str, Any] = field(default_factory=dict)  # further fields of the record type

    def remove_control_characters(self) -> None:
        """From all texts, some of which hosts wrote. Before secrets are removed: see `without_control`."""
        self.found, self.output = without_control(self.found), without_control(self.output)
        self.changed = [without_control(change) for change in self.changed]

    def change(self, *what: str) -> None:
        """Record changes; the outcome of the attempt becomes `changed`."""
        self.changed += what
        if what:
            self.outcome = Outcome.CHANGED


@contextmanager
def record_attempt(step: str, host: str, run: RunContext, record_type: type[StepRecord] = StepRecord) -> Iterator[Attempt]:
    """Run one attempt; log one line and write one record, even after an error."""
    attempt = Attempt(step, host)
    start = datetime.now(UTC)
    error: str | None = None
    failure: BaseException | None = None
    try:
        yield attempt
    except BaseException as raised:
        attempt.outcome = Outcome.FAILED
        failure = redacted_error(raised, attempt.secrets)  # Prefect keeps its text in states and logs
        error = str(failure) if isinstance(failure, SixstackError) else "".join(traceback.format_exception(failure))
        if isinstance(failure, StepFailed):
            attempt.exit_code = failure.exit_code
            attempt.output = failure.output or attempt.output
        if failure is raised:
            raise
    finally:
        attempt.remove_control_characters()
        error = without_control(error) if error is not None else None  # the traceback of a foreign exception
        record = record_type(
            cluster=run.cluster,
            host=host,
            step=step,
            flow_run=run.id,
            attempt=1,  # the store sets the number
            outcome=attempt.outcome,
            found=redact(attempt.found, attempt.secrets),
            changed=tuple(redact(change, attempt.secrets) for change in attempt.changed),
            script_sha256=attempt.script_sha256,
            exit_code=attempt.exit_code,
            start=start,
            end=datetime.now(UTC),
            output=redact(attempt.output, attempt.secrets)[-20_000:],
            error=redact(error, attempt.secrets) if error is not None else None,
            **attempt.extra,
        )
        write_record(run, record)
        report_attempt(run, StepTime(step, host, record.outcome, record.start, record.end), failure)
        report_progress(run, _line(record), event=f"{STEP}.{record.outcome}", subject=f"{step} {host}")
    if failure is not None:
        _raise_instead(failure)


@contextmanager
def record_step(planned: PlannedStep, run: RunContext, record_type: type[StepRecord] = StepRecord) -> Iterator[Attempt]:
    """record_attempt() for a step of a plan; `found` is the plan's reason until the task sets it."""
    with record_attempt(planned.kind, planned.subject, run, record_type) as attempt:
        attempt.found = planned.reason
        yield attempt


def _raise_instead(failure: BaseException) -> NoReturn:
    """Raise the exception that stands for another one, without the other one as its context: that one still has the secret."""
    context, suppressed = failure.__context__, failure.__suppress_context__
    try:
        raise failure
    finally:
        failure.__context__, failure.__suppress_context__ = context, suppressed


def _line(record: StepRecord) -> str:
    seconds = (record.end - record.start).total_seconds()
    changed = "; ".join(record.changed) if len(record.changed) < 4 else f"{len(record.changed)} changes, the last: {record.changed[-1]}"
    what = record.error or changed or record.found or "nothing to do"
    return f"{record.step} {record.host}: {shown_outcome(record.step, record.outcome.value)} in {seconds:.1f} s: {what}"


def is_retryable(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Prefect's retry condition: only Retryable errors are retried."""
    try:
        state.result()
    except Retryable:
        return True
    except BaseException:
        return False
    return False


Result = TypeVar("Result")


def step(name: str, subject: str = "", *, retries: int = 3) -> Callable[[Callable[..., Result]], Task[..., Result]]:
    """A task that is one step: its runs are named NAME SUBJECT, retried with backoff after Retryable errors, and never cached or pickled.

    `retries`: 0 for a step that tries again by itself, or whose repetition is left to the caller.
    """

    def decorate(function: Callable[..., Result]) -> Task[..., Result]:
        # `...`: Prefect adds wait_for and return_state to submit, which a precise signature would reject
        return Task(
            function,
            name=name,
            task_run_name=f"{name} {{{subject}}}" if subject else name,
            retries=retries,
            retry_delay_seconds=exponential_backoff(backoff_factor=2),
            retry_jitter_factor=0.3,
            retry_condition_fn=is_retryable,
            cache_policy=NO_CACHE,
            persist_result=False,
        )

    return decorate
