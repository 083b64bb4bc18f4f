"""The first step that failed in a run, from its audit records."""

from __future__ import annotations

from blocks.audit_store import AuditStore
from blocks.loading import load
from cluster.retests.outcome import first_failed_step
from runs.context import RunContext


def failed_step(flow_run: str, run: RunContext) -> str:
    """KIND/SUBJECT of the first step that failed in another run with the same audit store; "" when no record says."""
    try:
        return first_failed_step(load(AuditStore, run.audit).read(flow_run).documents)
    except Exception:  # the store is away, for which each storage has its own errors: the error of the retest says why
        return ""
