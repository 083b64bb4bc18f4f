"""Whether and where copies of etcd's data and PKI go; every problem is found before a host is changed."""

from __future__ import annotations

from collections.abc import Mapping

from blocks.backup_store import BackupStore, CopyNotStored
from blocks.loading import NoBlock, load
from cluster.facts.host_facts import HostFacts
from cluster.plan.copies import CopySettings, copy_settings, hosts_to_copy, no_backup_store, unusable_backup_store
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec, Host


def find_copy_settings(
    spec: ClusterSpec, facts: Mapping[str, HostFacts], reason: CopyReason
) -> tuple[CopySettings | None, tuple[Problem, ...]]:
    """The settings of a copy before a change, None when there is nothing to copy or no copy is wanted; and why a required copy cannot be made."""
    hosts = hosts_to_copy(spec, facts)
    if not hosts or copy_settings(spec, reason, store_exists=True) is None:
        return None, ()
    problems, exists = _store_problems(spec, hosts, reason)
    settings = copy_settings(spec, reason, store_exists=exists)
    if not exists:
        return None, problems if settings is not None else ()
    return settings, problems


def backup_store_problems(spec: ClusterSpec, hosts: tuple[Host, ...], reason: CopyReason) -> tuple[Problem, ...]:
    """Why copies of these hosts, which are required, cannot be stored."""
    return _store_problems(spec, hosts, reason)[0]


def _store_problems(spec: ClusterSpec, hosts: tuple[Host, ...], reason: CopyReason) -> tuple[tuple[Problem, ...], bool]:
    """The problems of the store, and whether its block exists."""
    try:
        load(BackupStore, spec.backups).check()
    except NoBlock:
        return (no_backup_store(spec, hosts, reason),), False
    except CopyNotStored as fault:
        return (unusable_backup_store(spec, str(fault), reason),), True
    return (), True
