"""Exit codes of `sixstack diff`."""

from __future__ import annotations

import pytest

from cli.diff import exit_code


@pytest.mark.parametrize(
    ("drift", "complete", "code"),
    [(False, True, 0), (True, True, 1), (False, False, 3), (True, False, 3)],
)
def test_the_exit_code_says_whether_there_is_drift_and_whether_all_was_inspected(drift: bool, complete: bool, code: int) -> None:
    """An incomplete inspection comes first: it may have missed a difference."""
    assert exit_code({"drift": drift, "complete": complete}) == code
