"""Adds records to a run in an audit store: numbers each one, and links it to the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blocks.audit_store import AuditStore
from cluster.vocabulary.record_chain import parse_record
from cluster.vocabulary.records import END_RUN, ChainLink, RunHead, encode_record, record_key, record_sha256

_TRIES = 5  # against another process that adds records to the same run


class RunRecords:
    """The records of one run on one cluster. It is not thread-safe, and one process at a time adds records to a run.

    A record that raised an error can be added again: it is stored once, whatever became of the first try.
    """

    def __init__(self, store: AuditStore, cluster: str, run: str) -> None:
        self._store, self._cluster, self._run = store, cluster, run
        self._opened = False
        self._head: RunHead | None = None
        self._head_due = False  # the cluster's next run does not know the head yet
        self._unchained = 0
        self._attempts: dict[tuple[str, str], int] = {}  # the highest of each step and host
        self._torn: set[str] = set()  # paths that are taken by files that are no records
        self._stored: set[tuple[str, ...]] = set()

    @property
    def head(self) -> RunHead | None:
        """The newest record."""
        return self._head

    def of_cluster(self, cluster: str) -> RunRecords:
        """The records of the same run on another cluster."""
        return RunRecords(self._store, cluster, self._run)

    def append(self, document: Mapping[str, Any]) -> None:
        """Store a record with the next attempt number and its link; nothing happens when it is stored already."""
        for left in reversed(range(_TRIES)):
            if not self._opened:
                self._open()
            if _identity(document) in self._stored:
                break
            linked = self._linked(document)
            content, path = encode_record(linked), record_key(linked)
            try:
                self._store.create(path, content)
            except FileExistsError:
                if self._store.content(path) != content:  # else an earlier try, which had no answer
                    self._opened = False
                    if not left:
                        raise
                    continue
            self._add(linked, content)
            first_or_last = linked["chain"]["sequence"] == 1 or linked["step"] == END_RUN
            self._head_due = self._head_due or first_or_last
            break
        if self._head_due and self._head is not None:
            self._save_head(self._head)

    def _open(self) -> None:
        """Read what the store has of this run: a retried flow run continues its chain."""
        self._head, self._unchained, self._attempts, self._torn, self._stored = None, 0, {}, set(), set()
        for file in self._store.run_files(self._cluster, self._run):
            if file.content is None:
                raise OSError(f"{file.path} cannot be read: {file.error}")
            document = parse_record(file)
            if isinstance(document, str):
                self._torn.add(file.path)
            else:
                self._add(document, file.content)
        self._store.make_run_folder(self._cluster, self._run)
        self._opened = True

    def _add(self, document: Mapping[str, Any], content: bytes) -> None:
        step = (document["step"], document["host"])
        self._attempts[step] = max(self._attempts.get(step, 0), document["attempt"])
        self._stored.add(_identity(document))
        if document.get("chain") is None:
            self._unchained += 1
        elif self._head is None or self._head.sequence < document["chain"]["sequence"]:
            self._head = RunHead(run=self._run, sequence=document["chain"]["sequence"], sha256=record_sha256(content))

    def _linked(self, document: Mapping[str, Any]) -> dict[str, Any]:
        attempt = self._attempts.get((document["step"], document["host"]), 0) + 1
        while record_key({**document, "attempt": attempt}) in self._torn:
            attempt += 1
        if self._head is None:
            earlier = tuple(head for head in self._store.last_runs(self._cluster) if head.run != self._run)
            link = ChainLink(sequence=1, earlier_runs=earlier, unchained=self._unchained)
        else:
            link = ChainLink(sequence=self._head.sequence + 1, previous=self._head.sha256)
        closing = {"records": link.sequence - 1, "head": link.previous} if document["step"] == END_RUN else {}
        return {**document, **closing, "attempt": attempt, "chain": link.model_dump(mode="json")}

    def _save_head(self, head: RunHead) -> None:
        """Name the head to the cluster's next run: after the first record in place of the heads that it names, after the last beside the others."""
        others = () if head.sequence == 1 else tuple(other for other in self._store.last_runs(self._cluster) if other.run != self._run)
        self._store.save_last_runs(self._cluster, (*others, head))
        self._head_due = False


def _identity(document: Mapping[str, Any]) -> tuple[str, ...]:
    """What no other attempt has: its step, host and times to the microsecond."""
    return tuple(str(document[name]) for name in ("step", "host", "start", "end"))
