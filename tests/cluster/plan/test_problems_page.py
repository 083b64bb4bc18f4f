"""What a failed run reports of its error."""

from __future__ import annotations

import pytest

from blocks.loading import NoBlock
from cluster.plan.problems_page import problems_in, problems_page
from cluster.vocabulary.errors import ApiUnavailable, Bug, EnvironmentFault, HostRefused, HostUnreachable, SpecError, StepFailed
from cluster.vocabulary.problems import Problem

LISTED = (
    Problem("not-an-address", "hosts[0].ssh.address", "x | y", "write an address"),
    Problem("malformed", "name", "no name", "write one"),
)


@pytest.mark.parametrize("error", [SpecError(LISTED), HostRefused("a", LISTED)], ids=["the file", "a host"])
def test_listed_problems_are_taken_as_they_are(error: Exception) -> None:
    """Code, path, message and hint."""
    assert problems_in(error, "clusters/demo", "demo") == LISTED


@pytest.mark.parametrize(
    ("error", "code"),
    [(StepFailed("a", "exit code 1", "look there"), "step-failed"), (HostUnreachable("a", "no answer", "look there"), "host-unreachable")],
    ids=["failed", "unreachable"],
)
def test_an_error_of_a_host_says_where_and_how_to_mend_it(error: Exception, code: str) -> None:
    """Its class is the code."""
    (problem,) = problems_in(error, "clusters/demo", "demo")
    assert (problem.code, problem.path, problem.hint) == (code, "hosts/a", "look there")


@pytest.mark.parametrize(
    ("error", "code"),
    [(ApiUnavailable("no answer"), "api-unavailable"), (Bug("a hole"), "bug"), (KeyError("x"), "unexpected-error")],
    ids=["expected", "bug", "unexpected"],
)
def test_another_error_points_to_the_records(error: Exception, code: str) -> None:
    """So that every problem has a remedy."""
    (problem,) = problems_in(error, "clusters/demo", "demo")
    assert (problem.code, problem.path) == (code, "clusters/demo")
    assert "sixstack audit demo" in problem.hint


def test_what_is_missing_has_its_own_remedy() -> None:
    """The audit records do not say how to create a block."""
    (problem,) = problems_in(NoBlock("there is no block `x`", "Create it"), "clusters/demo", "demo")
    assert (problem.code, problem.message, problem.hint) == ("no-block", "there is no block `x`", "Create it")
    (problem,) = problems_in(EnvironmentFault("the disk is full"), "clusters/demo", "demo")
    assert "audit" not in problem.hint


def test_the_page_numbers_the_problems() -> None:
    """No table, which the V1 UI would cut after the third column. Text of files is no structure of the page."""
    heading, *items = problems_page("demo", LISTED).split("\n\n")
    assert heading == "# 2 problems of the run on cluster demo"
    assert items[:3] == ["1. **hosts\\[0\\].ssh.address**: x \\| y", "   Remedy: write an address", "   Code: not-an-address"]
    assert items[3] == "2. **name**: no name"


def test_no_secret_reaches_the_page() -> None:
    """A token in the text of an unexpected error, and in a listed problem."""
    text = "kubeadm join --token abcdef.0123456789abcdef"
    unexpected = problems_in(RuntimeError(text), "clusters/demo", "demo")
    assert "0123456789abcdef" not in unexpected[0].message
    assert "0123456789abcdef" not in problems_page("demo", [Problem("malformed", "name", text, text)])
