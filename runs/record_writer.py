"""Writes the audit records of a run in their order. A store that is away delays no step for long, and loses no record.

One thread of each run talks to the store. A step waits for its record for at most STEP_SECONDS; then the record goes to the worker's disk
(runs/record_spool.py), and the thread tries again until the process ends.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext

from blocks.audit_store import AuditStore
from blocks.loading import NoBlock, load
from blocks.run_records import RunRecords
from cluster.vocabulary.events import AUDIT
from cluster.vocabulary.records import END_RUN, ClosingRecord, Outcome, RunHead, StepRecord
from cluster.vocabulary.redaction import redact
from runs.context import RunContext
from runs.progress import report_progress
from runs.record_spool import RunSpool, deliver_leftovers, spool_folder

DEFAULT_STORE = "default"  # the default block of a cluster file
STEP_SECONDS = 10.0  # a step waits no longer for the store
CLOSE_SECONDS = 10.0  # nor the end of a run
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries

_writers: dict[tuple[str, str], RecordWriter] = {}  # by run and cluster: a retest also deletes the cluster that has its hosts
_writers_lock = threading.Lock()


@dataclass
class _Pending:
    document: Mapping[str, Any]
    done: bool = False
    path: Path | None = None  # in the spool
    only_in_memory: bool = False  # the spool could not be written either


class RecordWriter:
    """The records of one run on one cluster on their way to the store."""

    def __init__(self, run: RunContext, store: AuditStore) -> None:
        self.run, self._store = run, store
        self._records = RunRecords(store, run.cluster, run.id)
        self._spool = RunSpool(run.audit, run.cluster, run.id)
        self._began = time.time_ns()
        self._change = threading.Condition()
        self._queue: deque[_Pending] = deque()
        self._fault = ""  # why the store is away; "" while it answers
        self._late = 0  # records that were delivered from the spool
        self._closing = False
        self._thread: threading.Thread | None = None

    def write(self, document: Mapping[str, Any], seconds: float = STEP_SECONDS) -> bool:
        """Hand a record over; returns when it is in the store (True) or on the worker's disk (False)."""
        pending = _Pending(document)
        with self._change:
            self._queue.append(pending)
            if self._thread is None:
                # with the context of the run: its settings, and its events
                self._thread = threading.Thread(
                    target=contextvars.copy_context().run, args=(self._deliver,), name=f"audit-{self.run.id}", daemon=True
                )
                self._thread.start()
            self._change.notify_all()
            self._change.wait_for(lambda: pending.done or self._fault, seconds)
            if pending.done:
                return True
            is_new = not self._fault
            self._fault = self._fault or f"no answer within {seconds:.0f} s"
            spool_fault = self._to_spool(pending)
        if is_new:
            self._report_fault()
        if spool_fault:
            report_progress(self.run, f"warning: an audit record is only in memory: {spool_folder()} cannot be written: {spool_fault}")
        return False

    def close(self) -> RunHead | None:
        """Write the closing record; returns the head of the chain, None when records still wait."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self.write(_closing_record(self.run), CLOSE_SECONDS)
        with self._change:
            complete = self._change.wait_for(lambda: not self._queue, CLOSE_SECONDS if self._fault else 0)
        return self._records.head if complete else None

    @property
    def warning(self) -> str:
        """What waits for the store and why; "" when nothing does."""
        with self._change:
            if not self._queue or not self._fault:
                return ""
            in_memory = sum(pending.only_in_memory for pending in self._queue)
            also = f", and {in_memory} more only in memory" if in_memory else ""
            waiting = f"{len(self._queue) - in_memory} of its records wait in {spool_folder()}{also}"
            return f"{self._described_fault()}: {waiting}. The next run on this worker, or `sixstack audit`, delivers them"

    def _described_fault(self) -> str:
        return redact(f"warning: the audit store `{self.run.audit}` at {self._store.url} cannot be written ({self._fault})")

    def _report_fault(self) -> None:
        report_progress(self.run, f"{self._described_fault()}: records go to {spool_folder()} until it can")

    def _to_spool(self, pending: _Pending) -> str:
        """Put a record on the disk; why that failed."""
        try:
            pending.path = self._spool.add(pending.document)
        except OSError as error:
            pending.only_in_memory = True
            return str(error)
        return ""

    def _deliver(self) -> None:
        """The thread: deliver the records one after another, in their order."""
        self._lock_spool()
        pause, leftovers_due = _FIRST_PAUSE, True
        while True:
            with self._change:
                self._change.wait_for(lambda: bool(self._queue))
                pending = self._queue[0]
            try:
                self._records.append(pending.document)
            except Exception as fault:  # each storage has its own
                pause = self._wait_after(fault, pause)
                continue
            pause = _FIRST_PAUSE
            if self._finish(pending):
                return
            if leftovers_due:
                leftovers_due = False
                with suppress(OSError):  # the disk cannot be read: the next run tries again
                    for leftovers in deliver_leftovers(self.run.audit, self._store):
                        report_progress(self.run, f"note: {leftovers}")

    def _lock_spool(self) -> None:
        """One process of this worker at a time adds to the run's chain; records of an earlier process come first."""
        with suppress(OSError):  # without a disk, records can only be in memory
            self._spool.lock(wait=True)
            earlier = self._spool.deliver(self._records, before=self._began)
            if earlier.delivered or earlier.waiting:
                report_progress(self.run, f"note: {earlier}")

    def _wait_after(self, fault: Exception, pause: float) -> float:
        """Note why the store cannot be written, and wait; returns the next pause."""
        with self._change:
            is_new = not self._fault
            self._fault = redact(f"{type(fault).__name__}: {fault}")
            self._change.notify_all()
        if is_new:
            self._report_fault()
        with self._change:
            was_closing = self._closing
            # the end of the run does not wait for a long pause
            self._change.wait_for(lambda: self._closing and not was_closing, min(pause, 1.0) if was_closing else pause)
        return min(2 * pause, _LONGEST_PAUSE)

    def _finish(self, pending: _Pending) -> bool:
        """Note that a record is in the store; whether it is the run's last."""
        with self._change:
            self._queue.popleft()
            pending.done, self._fault = True, ""
            if pending.path is not None:
                pending.path.unlink(missing_ok=True)
                self._late += 1
            late, last = 0, False
            if not self._queue:
                late, self._late = self._late, 0
                last = self._closing and pending.document["step"] == END_RUN
            if last:
                self._spool.release()
            self._change.notify_all()
        if late:
            report_progress(self.run, f"the audit store `{self.run.audit}` answers again: {late} records were delivered late")
        return last


def write_record(run: RunContext, record: StepRecord) -> None:
    """Store a record, or keep it on the worker's disk until the store answers. EnvironmentFault when no block says where the store is."""
    _writer(run).write(record.model_dump(mode="json"))


def undelivered(run: RunContext) -> str:
    """A warning for the summary of a run when records wait for the store; "" when none do."""
    return "\n".join(filter(None, (writer.warning for writer in _writers_of(run.id))))


def close_at_end(run: RunContext) -> None:
    """Close the records of this flow run when it ends by itself; a killed run has no closing record."""
    context = FlowRunContext.get()
    if context is None or context.flow is None:
        return
    for hooks in (
        context.flow.on_completion_hooks,
        context.flow.on_failure_hooks,
        context.flow.on_crashed_hooks,
        context.flow.on_cancellation_hooks,
    ):
        if close_audit_records not in hooks:
            hooks.append(close_audit_records)
    _ending[run.id] = run


_ending: dict[str, RunContext] = {}  # runs that close their records, by id


def close_audit_records(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 Prefect names them
    """A hook of Prefect: also report the head of the chain, so that it can be compared with a place outside the store."""
    run = _ending.pop(str(flow_run.id), None)
    for writer in _writers_of(run.id) if run is not None else ():
        _close(writer)


def _close(writer: RecordWriter) -> None:
    run, head = writer.run, writer.close()
    if head is None:
        report_progress(run, writer.warning or "note: the audit records are not closed")
        return
    with _writers_lock:
        del _writers[run.id, run.cluster]
    report_progress(
        run,
        f"{head.sequence} audit records, the last has the digest sha256:{head.sha256}",
        event=AUDIT,
        details={"run": run.id, "records": str(head.sequence), "head": f"sha256:{head.sha256}"},
    )


def _closing_record(run: RunContext) -> Mapping[str, Any]:
    now = datetime.now(UTC)
    return ClosingRecord(
        cluster=run.cluster,
        host="cluster",
        step=END_RUN,
        flow_run=run.id,
        attempt=1,
        outcome=Outcome.UNCHANGED,
        found="the run ended",
        start=now,
        end=now,
    ).model_dump(mode="json")


def _writer(run: RunContext) -> RecordWriter:
    """The writer of the run's records of this cluster; its store is looked up once."""
    with _writers_lock:
        if (run.id, run.cluster) not in _writers:
            _writers[run.id, run.cluster] = RecordWriter(run, _load_store(run))
        return _writers[run.id, run.cluster]


def _writers_of(run: str) -> list[RecordWriter]:
    with _writers_lock:
        return [writer for (of_run, _), writer in _writers.items() if of_run == run]


def _load_store(run: RunContext) -> AuditStore:
    """The block. A first run without one creates it with the default local folder."""
    try:
        store = load(AuditStore, run.audit)
    except NoBlock:
        if run.audit != DEFAULT_STORE:
            raise
        store = AuditStore()
        store.save(DEFAULT_STORE, overwrite=True)  # another first run may have saved the same block
        report_progress(
            run,
            f"audit records go to {store.url} on the worker's machine: the Audit store block `{DEFAULT_STORE}` did not exist and was created",
        )
    store.require_file_system()
    return store
