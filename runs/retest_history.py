"""Publishes the history of retests, read from the audit store."""

from __future__ import annotations

from blocks.audit_store import AuditStore
from blocks.loading import load
from cluster.retests.history import read_history
from cluster.retests.page import history_page
from cluster.retests.records import RETESTS
from runs.artifacts import history_artifact
from runs.context import RunContext
from runs.progress import report_progress


def publish_history(run: RunContext) -> None:
    """Write the artifact. A store that cannot be read does not change the result of the run: its records are written."""
    try:
        history = read_history(load(AuditStore, run.audit).documents(RETESTS))
    except Exception as fault:  # each storage has its own
        report_progress(run, f"note: the history is not updated: the audit store `{run.audit}` cannot be read: {fault}")
        return
    history_artifact(history_page(history))
