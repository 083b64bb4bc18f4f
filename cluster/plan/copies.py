"""Copies of etcd's data and PKI: which hosts have something to copy, and whether a cluster may be changed without copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.facts.host_facts import HostFacts
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, CopiesKept, Host

# problems of a backup, and of a change before which a copy is made; docs/reference/problems.md lists them
NOT_COPIED = {
    "no-backup-store": "Hosts have etcd's data or private keys, and the Backup store block of the cluster file does not exist.",
    "backup-store-unusable": "The storage of the Backup store block cannot be used.",
}
_KUBERNETES_FACTS = "kubernetes"


@dataclass(frozen=True, slots=True)
class CopySettings:
    """Where copies go, and what becomes of the earlier ones."""

    store: str  # name of the Backup store block
    test: bool = False  # the cluster is a test cluster
    only_last: bool = False  # earlier copies of the test cluster are removed
    reason: CopyReason = CopyReason.DELETE
    kept: int | None = None  # the newest copies that stay when this one is stored; None: nothing is removed


def hosts_to_copy(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[Host, ...]:
    """Hosts of the cluster with etcd's data or private keys, whatever their role in the file; also those of which this is unknown."""
    return tuple(
        host for host in spec.hosts if (found := facts.get(host.name)) is not None and found.owner == spec.name and _may_have_data(found)
    )


def _may_have_data(facts: HostFacts) -> bool:
    unknown = any(part.part == _KUBERNETES_FACTS for part in facts.unknown)
    return unknown or facts.kubernetes.etcd_data or facts.kubernetes.private_keys


def copy_settings(spec: ClusterSpec, reason: CopyReason, *, store_exists: bool) -> CopySettings | None:
    """The settings of a copy before a change; None when no copy is made. Only a test cluster may do without.

    Only the copy of a deletion replaces the earlier ones of a test cluster: the cluster lives on after the others.
    """
    if not spec.test_hosts:
        return CopySettings(spec.backups, reason=reason)
    kept = spec.test_copies or (CopiesKept.LAST if store_exists else CopiesKept.NONE)
    if kept is CopiesKept.NONE:
        return None
    return CopySettings(spec.backups, test=True, only_last=kept is CopiesKept.LAST and reason is CopyReason.DELETE, reason=reason)


def backup_settings(spec: ClusterSpec) -> CopySettings:
    """The settings of a backup: it removes the oldest copies."""
    return CopySettings(spec.backups, test=spec.test_hosts, reason=CopyReason.BACKUP, kept=spec.backups_kept)


def restore_settings(spec: ClusterSpec) -> CopySettings:
    """The settings of the copy before a restore. It removes none: one of the earlier copies is the one that is restored."""
    return CopySettings(spec.backups, test=spec.test_hosts, reason=CopyReason.RESTORE)


def no_backup_store(spec: ClusterSpec, hosts: tuple[Host, ...], reason: CopyReason) -> Problem:
    """The block does not exist, and a copy is required."""
    names = ", ".join(host.name for host in hosts)
    return Problem(
        "no-backup-store",
        "backups",
        f"there is no Backup store block `{spec.backups}` for the copies of etcd's data and PKI of {names}",
        f"Create the block (docs/how-to/backups.md): `sixstack backup-key FILE --register {spec.backups}`.{_without(spec, reason)}",
    )


def unusable_backup_store(spec: ClusterSpec, fault: str, reason: CopyReason) -> Problem:
    """The block exists, and its storage does not work."""
    return Problem("backup-store-unusable", "backups", fault, f"Correct the Backup store block `{spec.backups}`.{_without(spec, reason)}")


def _without(spec: ClusterSpec, reason: CopyReason) -> str:
    """How a change works without a copy. A backup and a restore need the store in any case."""
    if reason in {CopyReason.BACKUP, CopyReason.RESTORE}:
        return ""
    without = (
        "write `test_copies: none` into the cluster file"
        if spec.test_hosts
        else "run the command with `--without-copy` (parameter `without_copy`)"
    )
    return f" If nobody needs the data: {without}."
