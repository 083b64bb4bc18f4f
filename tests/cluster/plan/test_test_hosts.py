"""The plan of mark-test-hosts: a step for each host that is not yet as requested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.plan.test_hosts import plan_test_hosts
from cluster.plan.test_hosts import test_hosts_summary as summary_of
from tests.cluster.plan.test_create import SPEC, bare, names

MIXED = {"a": replace(bare("a"), test_host=True), "b": bare("b")}


@pytest.mark.parametrize(
    ("undo", "step"),
    [(False, ("mark-test-host", "b")), (None, ("mark-test-host", "b")), (True, ("unmark-test-host", "a")), (1, ("unmark-test-host", "a"))],
)
def test_only_the_hosts_that_are_not_as_requested_change(undo: Any, step: tuple[str, str]) -> None:
    """A parameter of another type must not leave a host with a marker that the summary denies."""
    assert names(plan_test_hosts(SPEC, MIXED, undo=undo)) == [step]


def test_the_summary_says_what_each_host_is_and_what_the_file_lacks() -> None:
    """A marker alone is not enough for a retest."""
    marked = {**MIXED, "b": replace(bare("b"), test_host=True)}
    text, succeeded = summary_of(SPEC, plan_test_hosts(SPEC, marked, undo=False), {}, undo=False)
    assert succeeded
    assert text.splitlines()[:3] == ["cluster demo: 0 of 2 hosts changed", "- a: a test host", "- b: a test host"]
    assert "`test_hosts: true`" in text
