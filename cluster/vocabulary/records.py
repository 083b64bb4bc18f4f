"""The audit record: one redacted JSON document for each attempt of each task, failed ones too."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Outcome(StrEnum):
    """How an attempt ended."""

    UNCHANGED = "unchanged"  # nothing to do
    CHANGED = "changed"
    FAILED = "failed"


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

    @property
    def key(self) -> str:
        """The path of the record in the audit store."""
        return f"{self.cluster}/{self.flow_run}/{self.step}.{self.host}.{self.attempt}.json"
