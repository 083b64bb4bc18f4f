"""Audit records of retest-clusters, below `retests/FLOW_RUN/` in the audit store: one for the start of a run, one for each cluster that it retested."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cluster.vocabulary.records import StepRecord

RETESTS = "retests"  # the name of the records' folder and of the run's context; no cluster may have it (rule reserved-cluster-name)
START_RETESTS = "start-retests"  # the step whose record has the clusters of a run
RETEST_CLUSTER = "retest-cluster"


class RetestResult(StrEnum):
    """How the retest of one cluster ended."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"  # nothing was changed: the cluster or its hosts may not be retested
    SKIPPED = "skipped"  # its hosts have a failed cluster that was kept for inspection


class Phase(StrEnum):
    """A part of a retest, in this order."""

    FREE_HOSTS = "free-hosts"
    CREATE = "create"
    UPGRADE = "upgrade"  # only with `upgrade_from`
    BACKUP = "backup"  # this and the next only with `restore_with`
    RESTORE = "restore"
    VERIFY = "verify"
    DELETE = "delete"


class PhaseRecord(BaseModel):
    """One part of the retest of one cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: Phase
    flow_run: str  # id of the flow run of this part
    seconds: float
    succeeded: bool


class RetestStart(StepRecord):
    """The record of step start-retests: the clusters that the run is about to retest, by name, each with its stack mode."""

    clusters: dict[str, str] = Field(default_factory=dict)


class RetestRecord(StepRecord):
    """The record of the retest of one cluster. `cluster` is `retests`, and `host` is the name of the retested cluster."""

    result: RetestResult
    stack: str  # stack mode; with the primary family for dual-stack: `dual-stack, IPv6 first`
    phases: tuple[PhaseRecord, ...] = ()  # those that ran
    failed_step: str = ""  # KIND/SUBJECT of the first step that failed, such as verify-network/cluster; "" when none did
    versions: dict[str, str] = Field(default_factory=dict)  # program -> version: kubernetes, flannel, ...; and Kubernetes before an upgrade
    file: dict[str, Any] = Field(default_factory=dict)  # the cluster file
    kept: bool = False  # the cluster was not deleted at the end
