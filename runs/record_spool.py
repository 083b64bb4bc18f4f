"""Audit records that wait on the worker's disk for their store, below `sixstack/audit-spool/BLOCK/CLUSTER/FLOW_RUN/` in the Prefect home."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from prefect.settings import get_current_settings

from blocks.audit_store import AuditStore
from blocks.new_file import create_file, make_private_folder
from blocks.run_records import RunRecords
from cluster.vocabulary.records import encode_record
from cluster.vocabulary.redaction import redact

_number = itertools.count()


@dataclass(frozen=True)
class Leftovers:
    """The waiting records of one run: how many were delivered to the store, how many still wait, and why."""

    cluster: str
    run: str
    delivered: int
    waiting: int
    reason: str = ""

    def __str__(self) -> str:
        still = f"; {self.waiting} still wait in {spool_folder()}: {self.reason}" if self.waiting else ""
        return f"{self.delivered} audit records of run {self.run} on {self.cluster} were delivered late{still}"


def spool_folder() -> Path:
    """The folder of all waiting records of this worker."""
    return get_current_settings().home.expanduser() / "sixstack" / "audit-spool"


class RunSpool:
    """The waiting records of one run.

    Any process of the run adds records. The process that delivers them, or adds to the run's chain in the store, holds the folder's lock.
    """

    def __init__(self, block: str, cluster: str, run: str) -> None:
        self.cluster, self.run = cluster, run
        self._folder = spool_folder() / block / cluster / run
        self._descriptor: int | None = None

    def add(self, document: Mapping[str, Any]) -> Path:
        """Put a record on the disk."""
        path = self._folder / f"{time.time_ns():020}-{os.getpid()}-{next(_number):06}.json"
        for last in (False, False, True):
            make_private_folder(self._folder)
            try:
                create_file(path, encode_record(document))
                break
            except FileNotFoundError:  # a process that has delivered all records removed the folder
                if last:
                    raise
        return path

    def lock(self, *, wait: bool) -> bool:
        """Lock the folder; with `wait`, it is created if missing. False when another process has the lock or, without `wait`, no folder is there."""
        while True:
            try:
                if wait:
                    make_private_folder(self._folder)
                self._descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if os.path.samestat(os.fstat(self._descriptor), self._folder.stat()):
                    return True
            except FileNotFoundError:  # another process has just removed it
                pass
            except BlockingIOError:
                wait = False
            self._close()
            if not wait:
                return False

    def deliver(self, records: RunRecords, *, before: int | None = None) -> Leftovers:
        """Deliver the records in their order, with the lock held; with `before`, those that were added before this time in nanoseconds."""
        paths = sorted(self._folder.glob("*.json"))
        waiting = [path for path in paths if before is None or path.name < f"{before:020}"]
        delivered, reason, chains = 0, "", {self.cluster: records}
        try:
            while waiting:
                document = json.loads(waiting[0].read_bytes())
                # an earlier version kept records of the cluster that a retest found on its hosts with those of the retest's own cluster
                if (cluster := document["cluster"]) not in chains:
                    chains[cluster] = records.of_cluster(cluster)
                chains[cluster].append(document)
                waiting.pop(0).unlink()
                delivered += 1
        except Exception as fault:  # each storage has its own
            reason = redact(f"{type(fault).__name__}: {fault}")
        return Leftovers(self.cluster, self.run, delivered, len(waiting), reason)

    def release(self) -> None:
        """End the lock, and remove the folder if no record waits."""
        if self._descriptor is None:
            return
        with suppress(OSError):  # not empty, or in use
            for part in self._folder.glob(".*.new"):  # a record that a killed process did not finish
                part.unlink()
            for folder in (self._folder, *self._folder.parents[:2]):
                folder.rmdir()
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def deliver_leftovers(block: str, store: AuditStore) -> Iterator[Leftovers]:
    """Deliver what ended or killed processes of this worker left for a store. Records of a living run are not touched."""
    # glob and not Path.glob, which fails when another process has delivered all and removes a folder meanwhile
    for folder in sorted(glob("*/*", root_dir=spool_folder() / block)):
        spool = RunSpool(block, *Path(folder).parts)
        try:
            if not spool.lock(wait=False):
                continue
        except OSError:  # of another user
            continue
        try:
            leftovers = spool.deliver(RunRecords(store, spool.cluster, spool.run))
        finally:
            spool.release()
        if leftovers.delivered or leftovers.waiting:
            yield leftovers
