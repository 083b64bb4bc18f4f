"""Publishes the history of retests, read from the audit store."""

from __future__ import annotations

from runs.context import RunContext


def publish_history(run: RunContext) -> None:
    """Write the artifact."""
