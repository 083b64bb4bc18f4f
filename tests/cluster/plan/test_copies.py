"""Which hosts have something to copy before a reset, and whether a cluster may be removed without a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.facts.host_facts import HostFacts, KubernetesState, Unknown
from cluster.plan.copies import CopySettings, copy_settings, hosts_to_copy, no_backup_store, unusable_backup_store
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.spec import CopiesKept
from tests.cluster.plan.test_create import FACTS, SPEC, bare

TEST = SPEC.model_copy(update={"test_hosts": True})


def owned(name: str, **state: Any) -> HostFacts:
    """A host of the cluster with this state of Kubernetes."""
    return replace(bare(name), owner="demo", kubernetes=KubernetesState(**state))


@pytest.mark.parametrize(
    ("facts", "copied"),
    [
        (owned("b", etcd_data=True), True),
        (owned("b", private_keys=True), True),
        (owned("b", kubelet_config=True, ca_hash="sha256:aa"), False),
        (replace(owned("b"), unknown=(Unknown("kubernetes", "too long"),)), True),
        (replace(owned("b"), unknown=(Unknown("sockets", "too long"),)), False),
        (replace(owned("b", etcd_data=True), owner="other"), False),
        (replace(owned("b", etcd_data=True), owner=None), False),
    ],
    ids=["data", "keys of an unfinished control plane", "worker", "unknown", "something else unknown", "of another cluster", "of nobody"],
)
def test_data_and_keys_are_copied_from_every_host_that_may_have_them(facts: HostFacts, copied: bool) -> None:
    """Host `b` is a worker in the file: its role may have changed, or another cluster's file made it a control plane. A missing fact is no permission."""
    assert [host.name for host in hosts_to_copy(SPEC, {"b": facts})] == (["b"] if copied else [])


def test_a_host_that_was_not_inspected_is_not_copied() -> None:
    """Such a deletion is refused anyway."""
    assert hosts_to_copy(SPEC, {}) == ()
    assert hosts_to_copy(SPEC, FACTS) == ()  # these facts have neither data nor keys


ALL, LAST_OF_TEST, ALL_OF_TEST = (
    CopySettings("default"),
    CopySettings("default", test=True, only_last=True),
    CopySettings("default", test=True),
)


@pytest.mark.parametrize(
    ("test_hosts", "kept", "with_store", "without_store"),
    [
        (False, None, ALL, ALL),
        (False, CopiesKept.NONE, ALL, ALL),
        (False, CopiesKept.LAST, ALL, ALL),
        (True, None, LAST_OF_TEST, None),
        (True, CopiesKept.LAST, LAST_OF_TEST, LAST_OF_TEST),
        (True, CopiesKept.ALL, ALL_OF_TEST, ALL_OF_TEST),
        (True, CopiesKept.NONE, None, None),
    ],
)
def test_only_a_test_cluster_may_be_removed_without_a_copy(
    test_hosts: bool, kept: CopiesKept | None, with_store: CopySettings | None, without_store: CopySettings | None
) -> None:
    """`test_copies` has no effect on other clusters: they keep every copy."""
    spec = SPEC.model_copy(update={"test_hosts": test_hosts, "test_copies": kept})
    assert tuple(copy_settings(spec, CopyReason.DELETE, store_exists=exists) for exists in (True, False)) == (with_store, without_store)


@pytest.mark.parametrize("reason", [CopyReason.UPGRADE, CopyReason.RENEW])
def test_a_copy_before_a_change_has_its_reason_and_replaces_no_other(reason: CopyReason) -> None:
    """Copies from before a deletion are never removed by a backup: an upgrade every month would fill the store. A problem names the way out."""
    assert copy_settings(SPEC, reason, store_exists=True) == CopySettings("default", reason=reason)
    assert copy_settings(TEST, reason, store_exists=True) == CopySettings("default", test=True, reason=reason)
    assert "--without-copy" in no_backup_store(SPEC, SPEC.hosts, reason).hint
    assert "--without-copy" not in no_backup_store(SPEC, SPEC.hosts, CopyReason.RESTORE).hint


def test_a_missing_store_is_a_problem_that_says_what_to_do() -> None:
    """With the command that creates the block, and how to do without."""
    problem = no_backup_store(SPEC, SPEC.hosts, CopyReason.DELETE)
    assert (problem.code, problem.path) == ("no-backup-store", "backups")
    assert "a, b" in problem.message
    assert "sixstack backup-key" in problem.hint
    assert "--without-copy" in problem.hint
    assert "test_copies: none" in no_backup_store(TEST, SPEC.hosts, CopyReason.DELETE).hint
    assert unusable_backup_store(SPEC, "no such folder", CopyReason.DELETE).code == "backup-store-unusable"
