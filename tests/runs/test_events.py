"""Every event that a run emits is documented: name, resource and the fields of its payload."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed

from cluster.drift.difference import Difference, Repair
from cluster.drift.report import DriftReport
from cluster.retests.records import RetestResult
from cluster.vocabulary.events import EVENTS
from cluster.vocabulary.records import RunHead
from runs import attempts, certificate_report, progress, record_writer
from runs.attempts import Attempt, record_attempt
from runs.certificate_report import report_certificates
from runs.context import RunContext
from runs.progress import report_progress
from runs.retest_result import report_retest
from tasks import compare
from tests.cluster.plan.certificates import FRESH
from tests.cluster.plan.test_create import SPEC

RUN = RunContext("demo", str(uuid4()), "default", "default")


@pytest.fixture
def emitted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The events, instead of a server that gets them."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(progress, "emit_event", lambda event, **fields: found.append({"event": event, **fields}))
    monkeypatch.setattr(progress, "get_logger", lambda _: logging.getLogger(__name__))  # Prefect's own sends the lines to a server
    return found


def require_documented(event: dict[str, Any], name: str, subject: str) -> None:
    """The event has this name, and exactly the resource and the fields of the page."""
    assert event["event"] == name
    (kind,) = [kind for kind in EVENTS if name in kind.names]
    assert event["payload"].keys() == {"line", *kind.payload}
    assert all(isinstance(value, str) for value in event["payload"].values())
    assert event["resource"] == {"prefect.resource.id": "sixstack.cluster.demo", "prefect.resource.name": subject}
    assert {entry["prefect.resource.id"] for entry in event["related"]} == {f"prefect.flow-run.{RUN.id}"}


@pytest.mark.parametrize("result", list(RetestResult))
def test_the_event_of_a_retest(emitted: list[dict[str, Any]], result: RetestResult) -> None:
    """Each result has its own name."""
    report_retest(RUN, "demo", result)
    (event,) = emitted
    require_documented(event, f"sixstack.retest.{result}", "demo")


def test_the_event_of_certificates_that_expire(emitted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit of a hundred years, all do."""
    monkeypatch.setattr(certificate_report, "certificates_artifact", lambda *_: None)
    report_certificates(RUN, SPEC.model_copy(update={"name": "demo"}), FRESH, (), timedelta(days=36500))
    (event,) = emitted
    require_documented(event, "sixstack.certificates.expiring", "demo")


def test_the_event_of_drift(emitted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """An inspection without a difference emits none."""

    @contextmanager
    def record(step: str, host: str, *_: object) -> Iterator[Attempt]:
        yield Attempt(step, host)

    monkeypatch.setattr(compare, "record_attempt", record)
    monkeypatch.setattr(compare, "drift_artifact", lambda *_: None)
    for differences in ((), (Difference("nodes/a", "x", "y", "API", Repair.OWNER, "repair it"),)):
        report = DriftReport("demo", differences)
        monkeypatch.setattr(compare, "_report", lambda *_, report=report: report)
        compare.compare_cluster.fn(SPEC, None, None, RUN)
    (event,) = emitted
    require_documented(event, "sixstack.drift.found", "demo")
    assert event["payload"]["paths"] == "nodes/a"


def test_the_events_of_steps_and_lines(emitted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every outcome has its own name."""
    monkeypatch.setattr(attempts, "write_record", lambda *_: None)
    with record_attempt("wait-ready", "a", RUN):
        pass
    with record_attempt("wait-ready", "a", RUN) as attempt:
        attempt.change("label a=b")
    with pytest.raises(OSError, match="broken"), record_attempt("wait-ready", "a", RUN):
        raise OSError("broken")
    report_progress(RUN, "a line")
    for event, outcome in zip(emitted, ("unchanged", "changed", "failed"), strict=False):
        require_documented(event, f"sixstack.step.{outcome}", "wait-ready a")
    require_documented(emitted[3], "sixstack.run.progress", "a line")


def test_the_event_of_the_audit_records(emitted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the digest of the last record."""
    head = RunHead(run=RUN.id, sequence=7, sha256="0" * 64)
    monkeypatch.setattr(record_writer, "_ending", {RUN.id: RUN})
    monkeypatch.setattr(record_writer, "_writers", {(RUN.id, RUN.cluster): SimpleNamespace(run=RUN, close=lambda: head)})
    record_writer.close_audit_records(None, FlowRun(id=RUN.id, flow_id=uuid4()), Completed())  # type: ignore[arg-type]  # the flow is not used
    (event,) = emitted
    require_documented(event, "sixstack.run.audit", event["payload"]["line"])


def test_no_other_event_is_emitted() -> None:
    """Every name in the code is one of the page."""
    assert {name for kind in EVENTS for name in kind.names} == {
        "sixstack.run.progress",
        "sixstack.run.audit",
        "sixstack.step.changed",
        "sixstack.step.unchanged",
        "sixstack.step.failed",
        "sixstack.drift.found",
        "sixstack.certificates.expiring",
        *(f"sixstack.retest.{result}" for result in RetestResult),
    }
