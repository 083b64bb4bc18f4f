"""The log of a run that fails as expected: one short line at ERROR."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from cluster.vocabulary.errors import Bug, SixstackError, SpecError
from cluster.vocabulary.problems import Problem
from runs.run_log import _SHORTENED, shorten_expected_errors

PROBLEMS = (Problem("malformed", "name", "is no name", "write one"), Problem("malformed", "stack", "is no stack", "write one"))
EXPECTED, UNEXPECTED = SpecError(PROBLEMS), Bug("a hole\nin a line")


@pytest.fixture
def shortened() -> Iterator[None]:
    """Both loggers with the filter."""
    shorten_expected_errors()
    shorten_expected_errors()
    yield
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).removeFilter(_SHORTENED)
        assert _SHORTENED not in logging.getLogger(name).filters, "it was added twice"


def filtered(
    name: str, text: str, *arguments: object, error: SixstackError | None = None, level: int = logging.ERROR
) -> logging.LogRecord | None:
    """What becomes of a record as Prefect's engine writes it."""
    info = (type(error), error, None) if error is not None else None
    record = logging.LogRecord(name, level, __file__, 1, text, arguments, info)
    return record if _SHORTENED.filter(record) else None


def test_a_traceback_of_an_expected_error_is_dropped() -> None:
    """The error of a bug keeps it."""
    assert filtered("prefect.flow_runs", "Encountered exception during execution: %r", EXPECTED, error=EXPECTED) is None
    assert filtered("prefect.flow_runs", "Encountered exception during execution: %r", UNEXPECTED, error=UNEXPECTED) is not None


def test_the_final_state_is_one_line() -> None:
    """Without the list of problems, which Prefect writes as a repr."""
    state = f"Finished in state Failed({f'Flow run encountered an exception: SpecError: {EXPECTED}'!r})"
    record = filtered("prefect.flow_runs", state)
    assert record is not None
    assert (
        record.getMessage() == "Finished in state Failed('Flow run encountered an exception: SpecError: the cluster file has problems (2)')"
    )
    assert record.levelno == logging.ERROR


def test_the_state_of_a_task_is_not_the_result_of_the_run() -> None:
    """So that a failed run has one line at ERROR."""
    record = filtered("prefect.task_runs", f"Finished in state Failed({str(EXPECTED)!r})")
    assert record is not None
    assert record.levelno == logging.INFO


def test_an_attempt_that_is_repeated_names_its_error_in_one_line() -> None:
    """Prefect logs the repr of the error."""
    record = filtered("prefect.task_runs", "Task run failed with %s: %r - Retry %s/%s", "exception", EXPECTED, 1, 3, level=logging.INFO)
    assert record is not None
    assert "\\n" not in record.getMessage()
