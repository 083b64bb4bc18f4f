"""The audit record: one redacted JSON document for each attempt of each task, failed ones too. The records of a run form a hash chain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

END_RUN = "end-run"  # the step of a run's closing record


class Outcome(StrEnum):
    """How an attempt ended."""

    UNCHANGED = "unchanged"  # nothing to do
    CHANGED = "changed"
    FAILED = "failed"


# first words of the names of steps that only look or wait
_LOOKS = frozenset({"check", "compare", "find", "inspect", "plan", "read", "validate", "verify", "wait"})


def shown_outcome(step: str, outcome: str) -> str:
    """The outcome for people. A step that only looks or waits is `done`: `unchanged` would say that it could have changed something."""
    return "done" if outcome == Outcome.UNCHANGED and step.partition("-")[0] in _LOOKS else str(outcome)


class RunHead(BaseModel):
    """The newest record of a run: its place in the chain, and the sha256 of its file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    sequence: int = Field(ge=1)
    sha256: str


class ChainLink(BaseModel):
    """The place of a record in the chain of its run. The store sets it when it writes the record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(ge=1)  # 1 for the first record of the run
    previous: str = ""  # sha256 of the file of the previous record; "" for the first
    earlier_runs: tuple[RunHead, ...] = ()  # in the first record: heads of the cluster's earlier runs that no other run names
    unchained: int = 0  # in the first record: records of this run that are older than the chain


class StepRecord(BaseModel):
    """The findings, changes and outcome of one attempt, stored at CLUSTER/FLOW_RUN/STEP.HOST.ATTEMPT.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str
    host: str  # "cluster" for a step without a single host
    step: str
    flow_run: str  # id of the root flow run
    attempt: int = Field(ge=1)
    outcome: Outcome
    found: str = ""  # one sentence
    changed: tuple[str, ...] = ()  # one phrase each
    script_sha256: str | None = None
    exit_code: int | None = None
    start: datetime
    end: datetime
    output: str = ""  # the tail of what the script printed, redacted
    error: str | None = None
    chain: ChainLink | None = None  # None in records from before the chain

    @property
    def key(self) -> str:
        """The path of the record in the audit store."""
        return record_key(self.model_dump(include={"cluster", "flow_run", "step", "host", "attempt"}))


class ClosingRecord(StepRecord):
    """The last record of a run that ended by itself. Without it, a chain that was cut off could not be told from a complete one."""

    records: int = 0  # how many records the chain had before this one; the store sets it
    head: str = ""  # sha256 of the last of them


def record_key(document: Mapping[str, Any]) -> str:
    """The path of a record in the audit store, from its document."""
    return "{cluster}/{flow_run}/{step}.{host}.{attempt}.json".format_map(document)


def encode_record(document: Mapping[str, Any]) -> bytes:
    """The content of the file. Half a surrogate pair, which a host may have printed, stays an escape."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode(errors="backslashreplace")


def record_sha256(content: bytes) -> str:
    """The digest of a record: that of its file, so that `sha256sum` can check a chain too."""
    return hashlib.sha256(content).hexdigest()
