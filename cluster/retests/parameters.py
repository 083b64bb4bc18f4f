"""Read the parameters of retest-clusters, which are untrusted input. The names of clusters are read in tasks/start_retests.py."""

from __future__ import annotations

from typing import Any

from cluster.retests.order import RetestSettings
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.parameters import seconds_problems, switch_problems


class NothingRetested(SpecError):
    """The parameters of retest-clusters are invalid."""

    headline = "no cluster is retested, and no host was changed"


def read_retest_settings(keep_passed: Any, keep_failed: Any, wait_seconds: Any) -> RetestSettings:
    """The settings; NothingRetested lists every fault."""
    switches = switch_problems(keep_passed=keep_passed, keep_failed=keep_failed)
    if problems := (*switches, *seconds_problems(wait_seconds=wait_seconds)):
        raise NothingRetested(problems)
    return RetestSettings(keep_passed, keep_failed, wait_seconds)
