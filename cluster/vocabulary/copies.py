"""Copies of etcd's data and PKI: backups, and those saved before a change. A copy in a store has one of these descriptions beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from cluster.vocabulary.records import StepRecord

ARCHIVE = ".tar.zst.age"  # the ending of an archive's name
DESCRIPTION = ".json"


class EtcdCopy(StrEnum):
    """What a copy has of etcd."""

    SNAPSHOT = "snapshot"  # of an etcd that answered
    DATA = "data"  # the data directory as it was, because etcd did not answer
    NONE = "none"  # the host had no data of etcd


class CopyReason(StrEnum):
    """Why a copy was made."""

    BACKUP = "backup"
    DELETE = "before delete"
    RESTORE = "before restore"
    UPGRADE = "before upgrade"
    RENEW = "before renew"


class CopySource(BaseModel):
    """Where the files of a copy come from."""

    model_config = ConfigDict(frozen=True)

    cluster: str
    host: str
    kubernetes_version: str  # of the host's kubelet; "" when it has none
    flow_run: str  # id of the flow run that made the copy
    created: datetime
    etcd: EtcdCopy
    etcd_reason: str = ""  # why there is no snapshot
    test: bool = False  # of a test cluster: a later copy of the same cluster may replace it
    reason: CopyReason = CopyReason.DELETE
    etcd_version: str = ""  # of the etcd that made the snapshot
    revision: int | None = None  # of the snapshot, from etcdutl; None: no snapshot, or not verified with etcdutl

    @property
    def complete(self) -> bool:
        """Whether a cluster can be restored from the copy."""
        return self.etcd is EtcdCopy.SNAPSHOT

    @property
    def name(self) -> str:
        """The common name of archive and description in the folder of the cluster."""
        return f"{self.created:%Y%m%dT%H%M%S%fZ}.{self.host}"


class SavedCopy(CopySource):
    """A copy that is stored and was read back. Written last: an archive without its description is not a copy."""

    size: int = Field(ge=0)  # bytes of the archive as stored
    sha256: str  # of the archive as stored
    recipient: str  # the public age recipient who can decrypt it

    @property
    def key(self) -> str:
        """The path of the archive in the store."""
        return f"{self.cluster}/{self.name}{ARCHIVE}"

    @property
    def content(self) -> str:
        """What the copy has, for people."""
        if self.etcd is EtcdCopy.NONE:
            return "PKI, without data of etcd"
        what = "a snapshot of etcd" if self.etcd is EtcdCopy.SNAPSHOT else "etcd's data directory"
        return f"{what} and PKI{f' ({self.etcd_reason})' if self.etcd_reason else ''}"


def replaceable(earlier: SavedCopy, new: SavedCopy) -> bool:
    """Whether the last copy of a test cluster replaces an earlier one.

    Copies of one run stay together: each control plane has its own. A copy without etcd's data, such as one after a reset that failed halfway,
    does not replace one with them.
    """
    if not (earlier.test and new.test) or earlier.cluster != new.cluster or earlier.created >= new.created:
        return False
    if earlier.flow_run == new.flow_run and earlier.host != new.host:
        return False
    return new.etcd is not EtcdCopy.NONE or earlier.etcd is EtcdCopy.NONE


def outdated(copies: Iterable[SavedCopy], kept: int) -> tuple[SavedCopy, ...]:
    """The copies of one cluster that go when the newest `kept` of each host stay.

    Copies from before a deletion are not counted and never go: they may be the last of a cluster. The newest complete copy of a host never goes.
    """
    newest_first = sorted(copies, key=lambda copy: copy.created, reverse=True)
    gone: list[SavedCopy] = []
    for host in dict.fromkeys(copy.host for copy in newest_first):
        of_host = [copy for copy in newest_first if copy.host == host]
        last_complete = next((copy for copy in of_host if copy.complete), None)
        counted = [copy for copy in of_host if copy.reason is not CopyReason.DELETE]
        gone += [copy for copy in counted[kept:] if copy is not last_complete]
    return tuple(sorted(gone, key=lambda copy: copy.created))


@dataclass(frozen=True)
class LocatedCopy:
    """A saved copy, with the URL or path of its archive."""

    copy: SavedCopy
    location: str

    def __str__(self) -> str:
        copy = self.copy
        return f"{copy.content}, saved at {self.location} ({copy.size:,} bytes, sha256 {copy.sha256}, for {copy.recipient})"


class CopyRecord(StepRecord):
    """The record of a saved copy: where it is, its size and digest, and who can decrypt it."""

    location: str = ""  # URL or path of the archive
    saved: SavedCopy | None = None  # None: nothing to save, or the step failed
