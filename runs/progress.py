"""Progress lines of a run: in the run's log, and as events."""

from __future__ import annotations

from collections.abc import Mapping

from prefect.events import emit_event
from prefect.logging import get_logger

from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.events import PROGRESS
from cluster.vocabulary.redaction import redact
from runs.context import RunContext


def report_progress(
    run: RunContext,
    line: str,
    *,
    event: str = PROGRESS,
    subject: str = "",
    cluster: str = "",
    details: Mapping[str, str] | None = None,
) -> None:
    """Report a redacted line without control characters in the flow run's log, and as an event of that run and of the run that started it.

    The event reaches `prefect deployment run --watch`, `sixstack create` and automations on every server; log streams are off by default.
    `cluster`: the event is about this cluster instead of the run's. `details`: further fields of the event's payload.
    """
    line = redact(without_control(line))
    get_logger("prefect.flow_runs").info(line, extra={"flow_run_id": run.id, "flow_run_name": run.cluster, "flow_name": ""})
    emit_event(
        event,
        resource={
            "prefect.resource.id": f"sixstack.cluster.{cluster or run.cluster}",
            "prefect.resource.name": without_control(subject) or line.splitlines()[0],
        },
        related=[
            {"prefect.resource.id": f"prefect.flow-run.{flow_run}", "prefect.resource.role": "flow-run"}
            for flow_run in dict.fromkeys((run.id, run.started_by))
            if flow_run
        ],
        payload={
            "line": f"{run.cluster}: {line}" if run.started_by else line,
            **{name: redact(without_control(text)) for name, text in (details or {}).items()},
        },
    )
