"""Checks the audit records of a cluster: the hash chain of each run, and the runs that other runs name.

The chain shows an edit, a deletion and a change of order by a person who does not recompute it. A person who can write to the whole store can recompute
it: then only a head that was kept elsewhere, such as in the run's log, shows the difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, ValidationError

from cluster.vocabulary.records import END_RUN, RunHead, StepRecord, record_key, record_sha256


@dataclass(frozen=True)
class StoredFile:
    """A file of the audit store: its path below the store's folder, and its content or why it cannot be read."""

    path: str
    content: bytes | None
    error: str = ""

    @property
    def run(self) -> str:
        """The id of the run whose folder has the file."""
        return self.path.split("/")[1]


class _AnyRecord(StepRecord):
    """The fields that every record has; other fields are those of its type."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FaultKind(StrEnum):
    """What is wrong with the records of a run."""

    MISSING = "missing"
    CHANGED = "changed"
    TORN = "torn"  # not a complete record, or not readable
    MOVED = "moved"  # at the path of another record
    REPEATED = "repeated"  # two records with one number
    ADDED = "added"  # without a place in the chain


@dataclass(frozen=True)
class Fault:
    """One fault, with the path of the record, or the numbers of missing records."""

    kind: FaultKind
    what: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.what}" + (f" ({self.reason})" if self.reason else "")


class RunCondition(StrEnum):
    """The condition of a run's records. Only `damaged` is a fault."""

    OK = "ok"
    NO_CLOSING_RECORD = "no closing record"  # the run is active, or was killed
    NOT_CHAINED = "not chained"  # the records are older than the chain
    REMOVED = "removed"  # older than every run that is kept
    DAMAGED = "damaged"


@dataclass(frozen=True)
class VerifiedRun:
    """The result for one run."""

    cluster: str
    run: str
    condition: RunCondition
    records: int = 0
    head: str = ""  # sha256 of the last record
    faults: tuple[Fault, ...] = ()
    unfinished: tuple[str, ...] = ()  # files that a killed process left while it wrote them

    def __str__(self) -> str:
        parts = [*map(str, self.faults)] or [self.condition.value]
        if self.condition is RunCondition.DAMAGED and not self.records:
            return f"{self.run}: {'; '.join(parts)}"
        parts += [f"{self.records} records", *([f"head {self.head[:16]}"] if self.head else [])]
        return f"{self.run}: " + "; ".join([*parts, *(f"unfinished {path}" for path in self.unfinished)])

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "cluster": self.cluster,
            "run": self.run,
            "condition": self.condition.value,
            "records": self.records,
            "head": self.head,
            "faults": [{"kind": fault.kind.value, "what": fault.what, "reason": fault.reason} for fault in self.faults],
            "unfinished": list(self.unfinished),
        }


def parse_record(file: StoredFile) -> dict[str, Any] | str:
    """The document of a record; or why it is none."""
    if file.content is None:
        return file.error
    try:
        document = json.loads(file.content)
        _AnyRecord.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"not a record: {'.'.join(map(str, first['loc'])) or 'document'}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return dict(document)


@dataclass
class _Run:
    """The files of one run, sorted out."""

    cluster: str
    run: str
    paths: dict[int, str] = field(default_factory=dict)  # by sequence
    digests: dict[int, str] = field(default_factory=dict)
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    unchained: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    claimed: int = 0  # the highest number that a head names

    def add(self, file: StoredFile) -> None:
        if not file.path.endswith(".json"):
            self.unfinished.append(file.path)
            return
        document = parse_record(file)
        if isinstance(document, str):
            self.faults.append(Fault(FaultKind.TORN, file.path, document))
            return
        if record_key(document) != file.path:
            self.faults.append(Fault(FaultKind.MOVED, file.path, f"it is the record {record_key(document)}"))
        if document.get("chain") is None:
            self.unchained.append(file.path)
            return
        sequence = document["chain"]["sequence"]
        if sequence in self.paths:
            self.faults.append(Fault(FaultKind.REPEATED, file.path, f"{self.paths[sequence]} has the number {sequence} too"))
            return
        assert file.content is not None
        self.paths[sequence], self.documents[sequence] = file.path, document
        self.digests[sequence] = record_sha256(file.content)

    def claim(self, head: RunHead, by: str) -> None:
        """Check that the chain has the record that a head names."""
        self.claimed = max(self.claimed, head.sequence)
        if self.digests.get(head.sequence, head.sha256) != head.sha256:
            self._changed(head.sequence, f"{by} names another content")

    def _changed(self, sequence: int, reason: str) -> None:
        if not any(fault.kind is FaultKind.CHANGED and fault.what == self.paths[sequence] for fault in self.faults):
            self.faults.append(Fault(FaultKind.CHANGED, self.paths[sequence], reason))

    def verified(self) -> VerifiedRun:
        last = max(self.paths, default=0)
        missing = [number for number in range(1, max(last, self.claimed) + 1) if number not in self.paths]
        self.faults += [Fault(FaultKind.MISSING, numbers) for numbers in _ranges(missing)]
        for number, document in sorted(self.documents.items()):
            previous = document["chain"].get("previous", "")
            if number == 1 and previous:
                self._changed(1, "it is the first record, and names a previous one")
            elif number > 1 and self.digests.get(number - 1, previous) != previous:
                self._changed(number - 1, f"{self.paths[number]} names another content")
            if document["step"] == END_RUN and (document.get("records"), document.get("head")) != (number - 1, previous):
                self._changed(number, "it closes another chain")
        if 1 in self.documents:
            expected = self.documents[1]["chain"].get("unchained", 0)
            if len(self.unchained) < expected:
                self.faults.append(
                    Fault(FaultKind.MISSING, f"{expected - len(self.unchained)} records", "they are from before the chain of this run")
                )
            elif len(self.unchained) > expected:
                self.faults += [
                    Fault(FaultKind.ADDED, path, f"the chain began after {expected} records without it") for path in self.unchained
                ]
        return VerifiedRun(
            self.cluster,
            self.run,
            self._condition(last),
            records=len(self.paths) + len(self.unchained),
            head=self.digests.get(last, ""),
            faults=tuple(self.faults),
            unfinished=tuple(sorted(self.unfinished)),
        )

    def _condition(self, last: int) -> RunCondition:
        if self.faults:
            return RunCondition.DAMAGED
        if not last:
            return RunCondition.NOT_CHAINED if self.unchained else RunCondition.NO_CLOSING_RECORD
        return RunCondition.OK if self.documents[last]["step"] == END_RUN else RunCondition.NO_CLOSING_RECORD


def verify_cluster(cluster: str, files: Iterable[StoredFile], last_runs: Sequence[RunHead]) -> list[VerifiedRun]:
    """The result for each run of a cluster, oldest first; runs that are named and not in the store come last.

    `last_runs`: the heads that the store keeps for the cluster's next run.
    """
    runs: dict[str, _Run] = {}
    for file in sorted(files, key=lambda file: file.path):
        runs.setdefault(file.run, _Run(cluster, file.run)).add(file)
    started = {name: min(str(document["start"]) for document in run.documents.values()) for name, run in runs.items() if run.documents}
    oldest = min(started, key=lambda name: started[name], default="")
    absent: dict[str, str] = {}  # run -> the one that names it
    claims = [("the file last-runs", head) for head in last_runs]
    claims += [(f"run {name}", head) for name in sorted(started, key=lambda name: started[name]) for head in _earlier(runs[name].documents)]
    for by, head in claims:
        if head.run in runs:
            runs[head.run].claim(head, by)
        else:
            absent.setdefault(head.run, by)
    ordered = sorted(runs.values(), key=lambda run: (started.get(run.run, ""), run.run))
    return [run.verified() for run in ordered] + [_absent(cluster, run, by, removed=by == f"run {oldest}") for run, by in absent.items()]


def _absent(cluster: str, run: str, by: str, *, removed: bool) -> VerifiedRun:
    """A run whose folder is not in the store. Removing old runs leaves one that only the oldest kept run names."""
    if removed:
        return VerifiedRun(cluster, run, RunCondition.REMOVED)
    return VerifiedRun(cluster, run, RunCondition.DAMAGED, faults=(Fault(FaultKind.MISSING, "all records of the run", f"{by} names it"),))


def _earlier(documents: Mapping[int, Mapping[str, Any]]) -> list[RunHead]:
    return [RunHead.model_validate(head) for head in documents[1]["chain"].get("earlier_runs", ())] if 1 in documents else []


def _ranges(numbers: Sequence[int]) -> list[str]:
    """1, 3..5 for 1, 3, 4, 5."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and groups[-1][-1] == number - 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return [str(group[0]) if len(group) == 1 else f"{group[0]}..{group[-1]}" for group in groups]
