"""Read the parameters of retest-clusters, which are untrusted input. The names of clusters are read in tasks/start_retests.py."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from cluster.retests.order import RetestSettings
from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.parameters import seconds_problems, switch_problems
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted


class NothingRetested(SpecError):
    """The parameters of retest-clusters are invalid."""

    headline = "no cluster is retested, and no host was changed"


def read_retest_settings(
    keep_passed: Any, keep_failed: Any, wait_seconds: Any, upgrade_from: Any = "", restore_with: Any = ""
) -> RetestSettings:
    """The settings; NothingRetested lists every fault."""
    switches = switch_problems(keep_passed=keep_passed, keep_failed=keep_failed)
    if problems := (*switches, *seconds_problems(wait_seconds=wait_seconds), *_part_problems(upgrade_from, restore_with)):
        raise NothingRetested(problems)
    return RetestSettings(keep_passed, keep_failed, wait_seconds, upgrade_from, restore_with)


def _part_problems(upgrade_from: Any, restore_with: Any) -> Iterator[Problem]:
    if not isinstance(upgrade_from, str):
        hint = "write the name of an Artifact bundle block, or leave the parameter empty"
        yield Problem("wrong-type", "upgrade_from", f"expected a name, got {quoted(upgrade_from)}", hint)
    if not isinstance(restore_with, str) or (restore_with and not PurePath(restore_with).is_absolute()):
        # the value is not quoted: it may be the identity itself
        hint = "write the path of the file with the age identity on the machine of the Prefect worker, never its content, or leave the parameter empty"
        yield Problem("malformed", "restore_with", "expected an absolute path", hint)
