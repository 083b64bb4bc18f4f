"""Why a host could not be inspected, as a problem."""

from __future__ import annotations

import pytest

from cluster.vocabulary.errors import ApiUnavailable, HostUnreachable, LoginRefused
from tasks.inspect_host import inspection_problem


@pytest.mark.parametrize(
    "error", [LoginRefused("a", "the password is wrong", "change it"), HostUnreachable("a", "the password is wrong", "change it")]
)
def test_the_error_of_a_host_keeps_what_was_found_and_the_hint(error: Exception) -> None:
    """The host is in the path, not in the message."""
    problem = inspection_problem("a", error)
    assert (problem.code, problem.path, problem.message, problem.hint) == (
        "host-not-inspected",
        "hosts/a",
        "the password is wrong",
        "change it",
    )


def test_any_other_error_is_its_text() -> None:
    """With a hint of its own."""
    problem = inspection_problem("a", ApiUnavailable("no answer"))
    assert problem.message == "no answer"
    assert problem.hint
    assert inspection_problem("a", TimeoutError()).message == "TimeoutError"
