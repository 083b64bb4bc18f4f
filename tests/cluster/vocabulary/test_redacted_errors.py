"""Secrets are in no part of an exception that Prefect or a record writes."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
import yaml
from pydantic import BaseModel

from cluster.vocabulary.errors import CannotApply, ClusterError, HostRefused, HostUnreachable, StepFailed
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.redacted_errors import RedactedError, redacted_error

SECRET = "canary-of-a-secret"


class Number(BaseModel):
    """A model that quotes a wrong value."""

    value: int


def raised(fail: Callable[[], object]) -> BaseException:
    """The exception that a function raises."""
    try:
        fail()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def everything(error: BaseException) -> str:
    """All that can be printed of an exception, of its attributes, and of those behind it, suppressed ones too."""
    parts = [str(error), repr(error), repr(vars(error)), "".join(traceback.format_exception(error))]
    parts += [everything(other) for other in (error.__cause__, error.__context__) if other is not None]
    parts += [everything(other) for other in getattr(error, "exceptions", ())]
    return "\n".join(parts)


PROBLEM = Problem("host-refused", "hosts/a", f"kubeadm printed {SECRET}", "Fix it.")
ERRORS = [
    ClusterError(f"with {SECRET}"),
    HostUnreachable("a", f"lost with {SECRET}", f"use {SECRET}"),
    StepFailed("a", "failed", "hint", exit_code=1, output=f"output {SECRET}"),
    HostRefused("a", [PROBLEM]),
    CannotApply([PROBLEM]),
    KeyError(SECRET),
    OSError(2, "not found", f"/tmp/{SECRET}"),
    ValueError("a", [SECRET, (SECRET,)], {"key": SECRET}),
    ValueError(SECRET.encode()),
    ExceptionGroup(f"group {SECRET}", [ValueError(SECRET)]),
    ExceptionGroup("group", [OSError(2, SECRET), ValueError("fine")]),
    raised(lambda: yaml.safe_load(f"a: b\n  client-key-data: {SECRET}: x")),
    raised(lambda: Number.model_validate({"value": SECRET})),
    raised(lambda: int(SECRET)),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_secret_is_in_no_part_of_an_exception(error: BaseException) -> None:
    """Exceptions of sixstack, of Python, and of libraries that write their text themselves."""
    assert SECRET in everything(error)
    assert SECRET not in everything(redacted_error(error, {SECRET}))


@pytest.mark.parametrize("suppress", [False, True], ids=["shown", "suppressed"])
def test_causes_and_contexts_are_redacted(suppress: bool) -> None:
    """To any depth, and they stay what they were: shown or suppressed."""

    def fail() -> None:
        try:
            try:
                raise OSError(2, f"first {SECRET}")
            except OSError:
                raise KeyError(f"second {SECRET}")  # noqa: B904 a context, not a cause
        except KeyError as error:
            raise ClusterError("third") from (None if suppress else error)

    error = raised(fail)
    assert SECRET in everything(error)
    shown = redacted_error(error, {SECRET})
    assert shown is error
    assert SECRET not in everything(shown)
    assert shown.__suppress_context__
    assert (shown.__cause__ is None) is suppress
    assert isinstance(shown.__context__, KeyError)
    assert isinstance(shown.__context__.__context__, RedactedError)
    assert "first ***" in str(shown.__context__.__context__)


def test_notes_are_redacted() -> None:
    """add_note() is part of a traceback."""
    error = ClusterError("failed")
    error.add_note(f"with {SECRET}")
    assert SECRET not in everything(redacted_error(error, {SECRET}))


def test_a_chain_that_contains_itself_ends() -> None:
    """Python allows a loop of contexts."""
    first, second = ClusterError(f"first {SECRET}"), ClusterError("second")
    first.__context__, second.__context__ = second, first
    shown = redacted_error(first, {SECRET})
    assert str(shown) == "first ***"
    assert shown.__context__ is second


def test_the_project_s_own_errors_keep_their_type_and_their_words() -> None:
    """Retries depend on the type."""
    error = HostUnreachable("worker-1", f"lost with {SECRET}", "wait")
    shown = redacted_error(error, {SECRET})
    assert shown is error
    assert str(shown) == "worker-1: lost with ***. wait"
    assert error.found == "lost with ***"


def test_an_exception_without_secrets_is_not_changed() -> None:
    """Its arguments and attributes are the same objects."""
    error = OSError(2, "not found", "/etc/kubernetes")
    assert redacted_error(error, {SECRET}) is error
    assert str(error) == "[Errno 2] not found: '/etc/kubernetes'"
