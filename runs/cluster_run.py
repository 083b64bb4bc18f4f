"""Around the steps of every flow: the cluster's concurrency slot, and sessions that are closed at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from runs.cluster_api import close_api
from runs.cluster_slot import exclusive_run, tag_run
from runs.context import RunContext
from runs.record_writer import close_at_end
from runs.run_report import report_run
from runs.sessions import close_sessions, open_sessions


def run_context(document: Any) -> RunContext:
    """The context of a run, from a document that is not validated yet. Its audit records are closed when the flow run ends."""
    fields = document if isinstance(document, Mapping) else {}

    def string(name: str, default: str) -> str:
        value = fields.get(name, default)
        return value if isinstance(value, str) and value else default

    cluster = path_safe(string("name", "unnamed"))
    with get_client(sync_client=True) as client:
        tag_run(client, UUID(str(flow_run.id)), cluster)
    run = RunContext(
        cluster=cluster,
        id=str(flow_run.id),
        audit=string("audit", "default"),
        bundle=string("bundle", "default"),
        started_by=_started_by(),
    )
    close_at_end(run)
    report_run(run)
    return run


def _started_by() -> str:
    """The id of the flow run that started this one as a part of itself; "" for a run of its own."""
    root = str(flow_run.root_flow_run_id)
    return "" if root == str(flow_run.id) else root


def path_safe(name: str) -> str:
    """A name that is valid in a path and in an artifact's key, from any text."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())[:40].strip("-") or "unnamed"


@contextmanager
def cluster_run(run: RunContext, wait_seconds: int, file_of: str | None = None) -> Iterator[None]:
    """Hold the cluster's slot, with sessions that are always closed at the end. `file_of`: the cluster whose file has the hosts, if it is another one."""
    with exclusive_run(run, wait_seconds):
        open_sessions(run, file_of)
        try:
            yield
        finally:
            close_api(run)
            close_sessions(run)
