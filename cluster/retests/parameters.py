"""Read the parameters of retest-clusters, which are untrusted input. The names of clusters are read in tasks/start_retests.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cluster.retests.order import RetestSettings
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted


class NothingRetested(SpecError):
    """The parameters of retest-clusters are invalid."""

    headline = "no cluster is retested, and no host was changed"


def read_retest_settings(keep_passed: Any, keep_failed: Any, wait_seconds: Any) -> RetestSettings:
    """The settings; NothingRetested lists every fault."""
    if problems := tuple(_problems(keep_passed, keep_failed, wait_seconds)):
        raise NothingRetested(problems)
    return RetestSettings(keep_passed, keep_failed, wait_seconds)


def _problems(keep_passed: Any, keep_failed: Any, wait_seconds: Any) -> Iterator[Problem]:
    for name, value in (("keep_passed", keep_passed), ("keep_failed", keep_failed)):
        if not isinstance(value, bool):
            yield Problem("wrong-type", name, f"expected true or false, got {quoted(value)}", "write true or false, without quotes")
    if isinstance(wait_seconds, bool) or not isinstance(wait_seconds, int) or wait_seconds < 0:
        yield Problem(
            "wrong-type", "wait_seconds", f"expected a number of seconds, got {quoted(wait_seconds)}", "write a whole number such as 7200"
        )
