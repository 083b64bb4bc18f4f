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


def test_an_expected_error_is_one_line() -> None:
    """Of the flow: that of its task would be a second one. The error of a bug keeps its traceback."""
    record = filtered("prefect.flow_runs", "Encountered exception during execution: %r", EXPECTED, error=EXPECTED)
    assert record is not None
    assert record.getMessage() == "SpecError: the cluster file has problems (2): name: is no name [malformed]"
    assert record.levelno == logging.ERROR
    assert record.exc_info is None
    assert filtered("prefect.task_runs", "Task run failed with exception: %r", EXPECTED, error=EXPECTED) is None
    assert filtered("prefect.flow_runs", "Engine execution exited with unexpected exception", error=EXPECTED) is None
    kept = filtered("prefect.task_runs", "Task run failed with exception: %r", UNEXPECTED, error=UNEXPECTED)
    assert kept is not None
    assert kept.exc_info


@pytest.mark.parametrize("name", ["prefect.flow_runs", "prefect.task_runs"])
def test_the_final_state_has_the_first_line_of_its_error(name: str) -> None:
    """Prefect writes the list of problems as a repr, for a task at ERROR."""
    record = filtered(name, f"Finished in state Failed({f'Flow run encountered an exception: SpecError: {EXPECTED}'!r})")
    assert record is not None
    assert (
        record.getMessage() == "Finished in state Failed('Flow run encountered an exception: SpecError: the cluster file has problems (2)')"
    )
    assert record.levelno == logging.INFO


def test_an_attempt_that_is_repeated_names_its_error_in_one_line() -> None:
    """Prefect logs the repr of the error."""
    record = filtered("prefect.task_runs", "Task run failed with %s: %r - Retry %s/%s", "exception", EXPECTED, 1, 3, level=logging.INFO)
    assert record is not None
    assert "\\n" not in record.getMessage()
