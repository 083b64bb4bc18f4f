"""What every flow on a cluster has around its steps: the cluster's slot, and sessions that are closed at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect.runtime import flow_run

from runs.attempts import Where
from runs.cluster_slot import only_run
from runs.sessions import close_sessions, open_sessions


def where_of(document: Any) -> Where:
    """The run's place in the world, out of a document that has not been checked yet."""
    fields = document if isinstance(document, Mapping) else {}

    def text(name: str, default: str) -> str:
        value = fields.get(name, default)
        return value if isinstance(value, str) and value else default

    return Where(
        cluster=_plain(text("name", "unnamed")), run=str(flow_run.id), audit=text("audit", "default"), bundle=text("bundle", "default")
    )


def _plain(name: str) -> str:
    """A name that can be part of a path and of an artifact's key, whatever the document says."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())[:40].strip("-") or "unnamed"


@contextmanager
def working_on(where: Where, wait_seconds: float) -> Iterator[None]:
    """Alone on the cluster, with sessions that are closed at the end, however it ends."""
    with only_run(where, wait_seconds):
        open_sessions(where)
        try:
            yield
        finally:
            close_sessions(where)
