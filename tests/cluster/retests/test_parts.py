"""The parts of a retest: upgrade and restore are there only when they are asked for, and are refused before a host is changed."""

from __future__ import annotations

import itertools

import pytest

from cluster.file.reader import read_document
from cluster.retests.order import RetestSettings
from cluster.retests.parts import Operation, deletes, older_file, parts_on_free_hosts, upgrade_problems
from cluster.retests.records import Phase
from cluster.vocabulary.spec import ClusterSpec
from tests.cluster.plan.test_create import SPEC

UPGRADE, RESTORE = {"upgrade_from": "k8s-1-35"}, {"restore_with": "/root/identity.txt"}


def phases(**settings: str) -> list[Phase]:
    """The phases with these settings, each once."""
    return list(dict.fromkeys(part.phase for part in parts_on_free_hosts(RetestSettings(**settings))))  # type: ignore[arg-type]


def spec(**changes: object) -> ClusterSpec:
    """A good cluster file with changes."""
    document = SPEC.model_dump(mode="json", exclude_unset=True)
    for host in document["hosts"]:
        host["ssh"]["host_key"] = "trust-on-first-use"
    read = read_document({**document, **changes})
    assert read.spec is not None, read.problems
    return read.spec


def test_without_parameters_a_cluster_is_created_and_verified() -> None:
    """Both parts are off by default."""
    assert phases() == [Phase.CREATE, Phase.VERIFY]
    assert not any(part.older for part in parts_on_free_hosts(RetestSettings()))


def test_each_part_has_its_place() -> None:
    """The backup has the version of the file; the network is checked when everything else was done."""
    assert phases(**UPGRADE) == [Phase.CREATE, Phase.UPGRADE, Phase.VERIFY]
    assert phases(**RESTORE) == [Phase.CREATE, Phase.BACKUP, Phase.RESTORE, Phase.VERIFY]
    assert phases(**UPGRADE, **RESTORE) == [Phase.CREATE, Phase.UPGRADE, Phase.BACKUP, Phase.RESTORE, Phase.VERIFY]


def test_the_phases_are_in_the_order_of_the_history() -> None:
    """Its columns are read from left to right."""
    for settings in ({}, UPGRADE, RESTORE, UPGRADE | RESTORE):
        assert phases(**settings) == sorted(phases(**settings), key=list(Phase).index)


def test_only_the_cluster_that_is_upgraded_is_created_with_the_older_version() -> None:
    """Every other part has the saved file."""
    parts = parts_on_free_hosts(RetestSettings(**UPGRADE, **RESTORE))  # type: ignore[arg-type]
    assert [part.operation for part in parts if part.older] == [Operation.CREATE]


def test_what_is_in_the_backup_is_changed_after_it_and_compared_after_the_restore() -> None:
    """Else a restore that does nothing would pass."""
    operations = [part.operation for part in parts_on_free_hosts(RetestSettings(**RESTORE))]  # type: ignore[arg-type]
    wanted = [Operation.PLACE_WORKLOAD, Operation.BACK_UP, Operation.CHANGE_WORKLOAD, Operation.RESTORE, Operation.COMPARE_WORKLOAD]
    assert [operation for operation in operations if operation in wanted] == wanted


def test_a_cluster_is_deleted_unless_it_is_kept() -> None:
    """One that passed and one that failed have a setting each."""
    for passed, failed in itertools.product((True, False), repeat=2):
        settings = RetestSettings(keep_passed=passed, keep_failed=failed)
        assert (deletes(settings, passed=True), deletes(settings, passed=False)) == (not passed, not failed)


def test_the_older_file_differs_in_version_and_bundle_only() -> None:
    """The same machines, ranges and settings."""
    file = {"name": "a", "kubernetes_version": "1.36.3", "bundle": "new", "hosts": []}
    assert older_file(file, "1.35.4", "old") == {"name": "a", "kubernetes_version": "1.35.4", "bundle": "old", "hosts": []}


@pytest.mark.parametrize(("older", "wanted"), [("1.35.4", "1.36.3"), ("1.36.1", "1.36.3"), ("1.36.0", "1.37.2")])
def test_an_older_patch_and_the_minor_before_are_upgraded(older: str, wanted: str) -> None:
    """As upgrade-cluster does it."""
    assert upgrade_problems(spec(kubernetes_version=wanted), older, "old") == ()


@pytest.mark.parametrize(("older", "wanted"), [("1.36.3", "1.36.3"), ("1.37.2", "1.36.3"), ("1.35.4", "1.37.2"), ("1.36.4", "1.36.3")])
def test_the_same_a_newer_and_a_much_older_version_are_no_way(older: str, wanted: str) -> None:
    """The problem has both versions."""
    (problem,) = upgrade_problems(spec(kubernetes_version=wanted), older, "old")
    assert problem.code == "no-upgrade-path"
    assert older in problem.message
    assert wanted in problem.message


def test_a_file_that_the_older_version_does_not_accept_is_refused() -> None:
    """Its own problem is named, with the version: hosts would be freed, and then `create` would refuse."""
    problems = upgrade_problems(spec(kubernetes_version="1.35.4"), "1.34.0", "old")
    assert problems
    assert all("1.34.0" in problem.message for problem in problems)
    assert "no-upgrade-path" not in {problem.code for problem in problems}
