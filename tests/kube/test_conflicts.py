"""Changes that another client gets in the way of."""

from __future__ import annotations

import pytest

from cluster.vocabulary.errors import ApiUnavailable
from kube.client import ApiRefused
from kube.conflicts import retry_conflicts

CONFLICT = ApiRefused("PATCH /x", 409, "Conflict", "changed")
GIVEN_UP = ApiUnavailable("changed five times")


def change_after(*before: object) -> list[int]:
    """Call a change that raises or returns these, then returns False; the number of calls."""
    answers, calls = [*before, False], [0]

    def change() -> bool | None:
        calls[0] += 1
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    assert retry_conflicts(change, GIVEN_UP) is False
    return calls


def test_a_conflict_and_a_missing_object_are_tried_again() -> None:
    """False is a result."""
    assert change_after() == [1]
    assert change_after(CONFLICT, None, CONFLICT, None) == [5]


def test_the_fifth_conflict_is_the_last() -> None:
    """With the caller's error."""
    with pytest.raises(ApiUnavailable, match="changed five times"):
        change_after(*[CONFLICT] * 5)


def test_another_refusal_passes_through() -> None:
    """It would be the same the next time."""
    with pytest.raises(ApiRefused, match="Forbidden"):
        change_after(ApiRefused("PATCH /x", 403, "Forbidden", "no"))
