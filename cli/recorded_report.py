"""The report of a run, from its audit records."""

from __future__ import annotations

import sys
from typing import Any

from cluster.vocabulary.errors import EnvironmentFault


def no_report(flow_run: object) -> str:
    """The error of `--output json` when a run left no report."""
    return f"the run {flow_run} ended without a report that this machine can read: sixstack audit {flow_run}"


def recorded_report(flow_run: str, audit: str, field: str) -> dict[str, Any] | None:
    """The newest report in this field of the run's records; None when there is none, or when this machine cannot reach the audit store."""
    from blocks.audit_store import AuditStore
    from blocks.loading import load

    try:
        records = load(AuditStore, audit).read(flow_run).documents
    except EnvironmentFault as error:
        print(f"sixstack: the report cannot be read: {error}", file=sys.stderr)
        return None
    reports = [record[field] for record in records if record.get(field)]
    return dict(reports[-1]) if reports else None
