"""Errors of several lines in tables and notifications."""

from __future__ import annotations

import pytest

from cluster.vocabulary.errors import CannotApply
from cluster.vocabulary.one_line import in_one_line
from cluster.vocabulary.problems import Problem


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("", ""),
        ("no route", "no route"),
        (
            str(CannotApply([Problem("leftovers", "hosts/b", "a file", "a hint")])),
            f"{CannotApply.headline} (1): hosts/b: a file [leftovers]",
        ),
        (
            "cluster a: 1 of 2 hosts joined\n- n1: joined\n- n2: NOT joined: no disk\n- x",
            "cluster a: 1 of 2 hosts joined: n2: NOT joined: no disk",
        ),
        (
            "cluster a is not fully deleted; run this again to continue:\n- n1: lost",
            "cluster a is not fully deleted; run this again to continue: n1: lost",
        ),
        ("Traceback (most recent call last):\n  File x\nKeyError: 'a'\n", "KeyError: 'a'"),
    ],
    ids=["none", "one line", "problems", "created in part", "deleted in part", "a bug"],
)
def test_an_error_in_one_line_has_its_reason(error: str, line: str) -> None:
    """A notification that ends with a colon says nothing."""
    assert in_one_line(error) == line
