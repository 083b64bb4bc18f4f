"""The parameters of retest-clusters are untrusted: all faults are reported at once."""

from __future__ import annotations

import pytest

from cluster.retests.order import RetestSettings
from cluster.retests.parameters import NothingRetested, read_retest_settings


def test_good_parameters_become_settings() -> None:
    """Also a run that does not wait at all."""
    assert read_retest_settings(True, False, 0) == RetestSettings(keep_passed=True, keep_failed=False, wait_seconds=0)
    both = read_retest_settings(False, False, 0, "k8s-1-35", "/root/identity.txt")
    assert (both.upgrade_from, both.restore_with) == ("k8s-1-35", "/root/identity.txt")


def test_every_fault_is_reported() -> None:
    """`"false"` is text, and would count as true."""
    with pytest.raises(NothingRetested) as refused:
        read_retest_settings("false", None, "soon", 1.35, "identity.txt")
    paths = ["keep_passed", "keep_failed", "wait_seconds", "upgrade_from", "restore_with"]
    assert [problem.path for problem in refused.value.problems] == paths


def test_an_identity_in_place_of_its_path_is_not_repeated() -> None:
    """A person wrote the content of the file: the message says what to write, and has nothing of it."""
    with pytest.raises(NothingRetested) as refused:
        read_retest_settings(False, False, 0, "", "AGE-SECRET-KEY-1CANARY")
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize("seconds", [True, -1, 1.5, None])
def test_a_time_is_a_whole_number(seconds: object) -> None:
    """Not a truth value, and not before now."""
    with pytest.raises(NothingRetested):
        read_retest_settings(False, False, seconds)
