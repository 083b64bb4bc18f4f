"""Whether and where the copies of etcd's data and PKI go when hosts are reset; every problem is found before a host is changed."""

from __future__ import annotations

from collections.abc import Mapping

from blocks.backup_store import BackupStore, CopyNotStored
from blocks.loading import NoBlock, load
from cluster.facts.host_facts import HostFacts
from cluster.plan.copies import CopySettings, copy_settings, hosts_to_copy, no_backup_store, unusable_backup_store
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec


def find_copy_settings(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> tuple[CopySettings | None, tuple[Problem, ...]]:
    """The settings, None when there is nothing to copy or no copy is wanted; and why a copy that is required cannot be made."""
    hosts = hosts_to_copy(spec, facts)
    if not hosts or copy_settings(spec, store_exists=True) is None:
        return None, ()
    try:
        load(BackupStore, spec.backups).check()
    except NoBlock:
        required = copy_settings(spec, store_exists=False) is not None
        return None, (no_backup_store(spec, hosts),) if required else ()
    except CopyNotStored as fault:
        return None, (unusable_backup_store(spec, str(fault)),)
    return copy_settings(spec, store_exists=True), ()
