"""The copy that a restore reads: decrypted in this process with an identity that is named by its path, in memory and on no disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blocks.age_identity import read_identity
from blocks.backup_store import BackupStore
from blocks.loading import load
from cluster.plan.values import RestoreSource
from cluster.vocabulary.copies import SavedCopy
from hosts.copy_contents import CopyContents


@contextmanager
def decrypted_copy(cluster: str, source: RestoreSource) -> Iterator[tuple[SavedCopy, CopyContents]]:
    """The copy's description and its files. IdentityUnusable, CopyUnreadable or CopyNotStored otherwise; KeyError without such a copy."""
    store, identity = load(BackupStore, source.store), read_identity(Path(source.identity))
    (saved,) = [copy for copy in store.listed(cluster) if copy.name == source.copy]
    with store.decrypted(saved, identity) as stream:
        yield saved, CopyContents(stream)
