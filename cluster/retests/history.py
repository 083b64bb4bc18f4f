"""The history of retests, from their audit records: one row for each run and cluster, the last good row of each cluster, and what changed since."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import takewhile
from typing import Any, TypeVar

from pydantic import ValidationError

from cluster.retests.outcome import failed_phase
from cluster.retests.records import RETEST_CLUSTER, START_RETESTS, Phase, PhaseRecord, RetestRecord, RetestResult, RetestStart
from cluster.vocabulary.one_line import in_one_line
from cluster.vocabulary.records import StepRecord

Record = TypeVar("Record", bound=StepRecord)
MOST_CHANGES = 20  # of versions, and of fields of the file; "and N more" stands for the rest
_LONGEST_VALUE = 80  # characters of a changed value; a new host is one value
_ABSENT = object()  # the value of a field that one of two files does not have


class RowResult(StrEnum):
    """The result of a row."""

    PASSED = RetestResult.PASSED
    FAILED = RetestResult.FAILED
    REFUSED = RetestResult.REFUSED
    SKIPPED = RetestResult.SKIPPED
    NOT_FINISHED = "not-finished"  # the run named the cluster and has no record of its retest: the run is active, or was killed


@dataclass(frozen=True)
class HistoryRow:
    """The retest of one cluster in one run."""

    start: datetime  # of the run when the retest is not finished
    cluster: str
    stack: str
    result: RowResult
    flow_run: str  # id of the run
    seconds: float | None = None  # None when the retest is not finished
    phases: tuple[PhaseRecord, ...] = ()
    failed_step: str = ""
    error: str = ""  # in one line
    versions: Mapping[str, str] = field(default_factory=dict)
    file: Mapping[str, Any] = field(default_factory=dict)
    kept: bool = False

    @property
    def good(self) -> bool:
        """The retest passed."""
        return self.result is RowResult.PASSED

    def phase_seconds(self, phase: Phase) -> float | None:
        """Seconds of a phase; None when it did not run."""
        found = [record.seconds for record in self.phases if record.phase is phase]
        return sum(found) if found else None

    @property
    def failed_phase(self) -> Phase | None:
        """The phase that failed first."""
        return failed_phase(self.phases)

    @property
    def shown_start(self) -> str:
        """The date and time to the minute, in UTC."""
        return f"{self.start:%Y-%m-%d %H:%M}"

    @property
    def shown_result(self) -> str:
        """The result, and whether the cluster was kept."""
        return f"{self.result}, kept" if self.kept else str(self.result)

    def as_dict(self) -> dict[str, Any]:
        """The row in plain types, for JSON."""
        return {
            "start": self.start.isoformat(),
            "cluster": self.cluster,
            "stack": self.stack,
            "result": self.result.value,
            "seconds": self.seconds,
            "phase_seconds": {phase.value: self.phase_seconds(phase) for phase in Phase},
            "failed_phase": self.failed_phase.value if self.failed_phase else "",
            "failed_step": self.failed_step,
            "error": self.error,
            "flow_run": self.flow_run,
            "phase_flow_runs": {record.phase.value: record.flow_run for record in self.phases},
            "versions": dict(self.versions),
            "file": dict(self.file),
            "kept": self.kept,
        }


# every retest has these phases, unless it ends before; the others are parameters of the run
_ALWAYS = (Phase.FREE_HOSTS, Phase.CREATE, Phase.VERIFY, Phase.DELETE)


def shown_phases(rows: Iterable[HistoryRow]) -> tuple[Phase, ...]:
    """The phases that have a column in a table of these rows."""
    ran = {record.phase for row in rows for record in row.phases}
    return tuple(phase for phase in Phase if phase in _ALWAYS or phase in ran)


def shown_seconds(duration: float | None) -> str:
    """A duration in whole seconds; "-" when there is none."""
    return "-" if duration is None else f"{duration:.0f}"


@dataclass(frozen=True)
class Change:
    """A version or a field of the file that differs between two rows."""

    name: str  # a program, or the path of a field, such as network.pods[0].cidr
    old: str  # "none" when there was none
    new: str

    def __str__(self) -> str:
        return f"{self.name}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class ClusterHistory:
    """The state of one cluster: its newest row, the last good one, and what changed between them."""

    newest: HistoryRow
    last_good: HistoryRow | None
    versions: tuple[Change, ...] = ()
    file: tuple[Change, ...] = ()

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return self.newest.cluster

    @property
    def changes(self) -> list[str]:
        """The changes for people, at most MOST_CHANGES of the versions and of the file."""
        return [*_first("version of ", self.versions), *_first("field ", self.file)]


@dataclass(frozen=True)
class History:
    """All rows, oldest run first, and the number of records that cannot be read."""

    rows: tuple[HistoryRow, ...] = ()
    unreadable: int = 0

    def nights(self) -> list[list[HistoryRow]]:
        """The rows of each run, oldest first."""
        nights: dict[str, list[HistoryRow]] = {}
        for row in self.rows:
            nights.setdefault(row.flow_run, []).append(row)
        return list(nights.values())

    def of_cluster(self, cluster: str) -> History:
        """The rows of one cluster."""
        return History(tuple(row for row in self.rows if row.cluster == cluster), self.unreadable)

    def clusters(self) -> list[ClusterHistory]:
        """The state of each cluster, by name."""
        rows: dict[str, list[HistoryRow]] = {}
        for row in self.rows:
            rows.setdefault(row.cluster, []).append(row)
        return [_state(rows[cluster]) for cluster in sorted(rows)]


def read_history(documents: Iterable[Any]) -> History:
    """The history, from the JSON documents of the store's folder `retests` in any order; None is a document that is not JSON.

    A document that is not a record of this version is counted as unreadable. Of several attempts, the last one counts.
    """
    starts: dict[tuple[str, str], RetestStart] = {}
    retests: dict[tuple[str, str], RetestRecord] = {}
    unreadable = 0
    for document in documents:
        try:
            match document:
                case {"step": str(step)} if step == START_RETESTS:
                    _keep_last(starts, _checked(RetestStart.model_validate(document)))
                case {"step": str(step)} if step == RETEST_CLUSTER:
                    _keep_last(retests, _checked(RetestRecord.model_validate(document)))
                case {"step": str()}:
                    pass  # a record of another step is no row
                case _:
                    unreadable += 1
        except (ValidationError, ValueError, OverflowError):
            unreadable += 1
    rows = [_row(record) for record in retests.values()]
    rows += [
        HistoryRow(_utc(start.start), cluster, stack, RowResult.NOT_FINISHED, run)
        for (run, _), start in starts.items()
        for cluster, stack in start.clusters.items()
        if (run, cluster) not in retests
    ]
    nights: dict[str, datetime] = {}  # the start of each run: two runs on different hosts can overlap, and their rows stay together
    for row in rows:
        nights[row.flow_run] = min(row.start, nights.get(row.flow_run, row.start))
    rows.sort(key=lambda row: (nights[row.flow_run], row.flow_run, row.start, row.cluster))
    return History(tuple(rows), unreadable)


def _keep_last(kept: dict[tuple[str, str], Record], record: Record) -> None:
    """Keep the last attempt of each run and host."""
    before = kept.get((record.flow_run, record.host))
    if before is None or before.attempt < record.attempt:
        kept[record.flow_run, record.host] = record


def _checked(record: Record) -> Record:
    """The record; an error when its times or durations cannot be compared, shown, and written as JSON."""
    for time in (record.start, record.end):
        _utc(time)
    if isinstance(record, RetestRecord) and not all(math.isfinite(phase.seconds) for phase in record.phases):
        raise ValueError("seconds are not finite")
    return record


def _row(record: RetestRecord) -> HistoryRow:
    start = _utc(record.start)
    return HistoryRow(
        start=start,
        cluster=record.host,
        stack=record.stack,
        result=RowResult(record.result),
        flow_run=record.flow_run,
        seconds=(_utc(record.end) - start).total_seconds(),
        phases=record.phases,
        failed_step=record.failed_step,
        error=in_one_line(record.error or ""),
        versions=record.versions,
        file=record.file,
        kept=record.kept,
    )


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _state(rows: Sequence[HistoryRow]) -> ClusterHistory:
    last_good = next((row for row in reversed(rows) if row.good), None)
    if last_good is None:
        return ClusterHistory(rows[-1], None)
    # a retest that was skipped, not finished, or failed early, has no versions or no file: the newest known ones are compared
    since = list(takewhile(lambda row: row is not last_good, reversed(rows)))
    versions = next((row.versions for row in since if row.versions), last_good.versions)
    file = next((row.file for row in since if row.file), last_good.file)
    return ClusterHistory(
        newest=rows[-1],
        last_good=last_good,
        versions=tuple(_differences("", last_good.versions, versions)),
        file=tuple(_differences("", last_good.file, file)),
    )


def _differences(path: str, old: Any, new: Any) -> Iterator[Change]:
    """The fields that differ, in the order of the old document and then of the new one."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _differences(f"{path}.{key}" if path else str(key), old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            sides = [side[index] if index < len(side) else _ABSENT for side in (old, new)]
            yield from _differences(f"{path}[{index}]", *sides)
    elif type(old) is not type(new) or old != new:  # in JSON, 1 and true are two values
        yield Change(path, _text(old), _text(new))


def _text(value: Any) -> str:
    if value is _ABSENT:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _first(prefix: str, changes: Sequence[Change]) -> list[str]:
    shown = [f"{prefix}{change}" for change in changes[:MOST_CHANGES]]
    return shown if len(changes) <= MOST_CHANGES else [*shown, f"and {len(changes) - MOST_CHANGES} more"]
