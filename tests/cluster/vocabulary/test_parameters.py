"""Parameters of flows may have any type, and are all reported."""

from __future__ import annotations

import pytest

from cluster.vocabulary.parameters import MOST_SECONDS, WrongParameters, require, seconds_problems, switch_problems


@pytest.mark.parametrize("value", ["false", "", 0, 1, None, [], "true"])
def test_a_switch_is_true_or_false_and_no_text(value: object) -> None:
    """The text `false` counts as true in Python."""
    (problem,) = switch_problems(good=True, also_good=False, bad=value)
    assert (problem.code, problem.path) == ("wrong-type", "bad")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("300", "wrong-type"),
        (None, "wrong-type"),
        (True, "wrong-type"),
        (1.5, "wrong-type"),
        (float("nan"), "wrong-type"),
        (-1, "out-of-range"),
        (MOST_SECONDS + 1, "out-of-range"),
        (10**400, "out-of-range"),
    ],
)
def test_a_time_is_a_whole_number_of_seconds_up_to_a_week(value: object, code: str) -> None:
    """A longer one overflows in some place."""
    (problem,) = seconds_problems(first=0, last=MOST_SECONDS, bad=value)
    assert (problem.code, problem.path) == (code, "bad")


def test_a_run_with_wrong_parameters_is_refused_with_all_of_them() -> None:
    """None: the run goes on."""
    require()
    with pytest.raises(WrongParameters) as refused:
        require(*switch_problems(verify="yes"), *seconds_problems(wait_seconds="soon"))
    assert [problem.path for problem in refused.value.problems] == ["verify", "wait_seconds"]
    assert "nothing was changed" in str(refused.value)
