"""Progress lines of a run: in the run's log, and as events."""

from __future__ import annotations

from prefect.events import emit_event
from prefect.logging import get_logger

from cluster.vocabulary.redaction import redact
from runs.context import RunContext


def report_progress(run: RunContext, line: str, *, event: str = "sixstack.run.progress", subject: str = "") -> None:
    """Report a redacted line in the root flow run's log, and as an event of that run.

    The event reaches `prefect deployment run --watch`, `sixstack create` and automations on every server; log streams are off by default.
    """
    line = redact(line)
    get_logger("prefect.flow_runs").info(line, extra={"flow_run_id": run.id, "flow_run_name": run.cluster, "flow_name": ""})
    emit_event(
        event,
        resource={
            "prefect.resource.id": f"sixstack.cluster.{run.cluster}",
            "prefect.resource.name": subject or line.splitlines()[0],
        },
        related=[{"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.role": "flow-run"}],
        payload={"line": line},
    )
