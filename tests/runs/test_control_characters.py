"""Control characters that a host printed do not reach a log, an event, a record or a page."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.facts.cluster_state import NodeState
from cluster.vocabulary.records import StepRecord
from hosts.detached import StepResult
from runs import artifacts
from runs.attempts import Attempt, record_attempt
from runs.context import RunContext
from runs.progress import report_progress
from runs.scripts import run_detached_script
from tests.cluster.vocabulary.test_control_characters import CONTROL, HARMLESS, HOSTILE

RUN = RunContext(cluster="demo", id="00000000-0000-4000-8000-000000000001", audit="none", bundle="none")


def noted(calls: list[Any]) -> Callable[..., None]:
    """A function that notes its arguments."""
    return lambda *arguments, **named: calls.append((arguments, named))


def clean(calls: list[Any]) -> bool:
    """Whether there are calls, and no argument contains a control character."""
    text = json.dumps(calls, ensure_ascii=False, default=str)
    escaped = [json.dumps(letter, ensure_ascii=False)[1:-1] for letter in CONTROL]
    return HARMLESS in text and not any(letter in text for letter in escaped)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The calls of the run's logger."""
    calls: list[Any] = []
    logger = SimpleNamespace(info=noted(calls), debug=noted(calls))
    monkeypatch.setattr("runs.progress.get_logger", lambda _: logger)
    monkeypatch.setattr("runs.scripts.get_run_logger", lambda: logger)
    return calls


def test_a_progress_line_is_clean_in_the_log_and_in_the_event(monkeypatch: pytest.MonkeyPatch, log: list[Any]) -> None:
    """Its subject and its details too."""
    events: list[Any] = []
    monkeypatch.setattr("runs.progress.emit_event", noted(events))
    report_progress(RUN, HOSTILE, subject=HOSTILE, details={"result": HOSTILE})
    assert clean(log)
    assert clean(events)
    assert events[0][1]["payload"] == {"line": HARMLESS, "result": HARMLESS}


def test_a_record_and_its_line_are_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an error of Python too, whose text is in the traceback."""
    records, lines = list[StepRecord](), list[Any]()

    def write(_: RunContext, record: StepRecord) -> None:
        records.append(record)

    monkeypatch.setattr("runs.attempts.write_record", write)
    monkeypatch.setattr("runs.attempts.report_progress", noted(lines))

    def fail() -> None:
        with record_attempt("a-step", "n1", RUN) as attempt:
            attempt.found = attempt.output = HOSTILE
            attempt.change(HOSTILE)
            raise ValueError(HOSTILE)

    with pytest.raises(ValueError, match="title"):
        fail()
    (record,) = records
    assert (record.found, record.changed, record.output) == (HARMLESS, (HARMLESS,), HARMLESS)
    assert clean([record.error])


def test_a_line_of_a_detached_step_is_clean(monkeypatch: pytest.MonkeyPatch, log: list[Any]) -> None:
    """As the step prints it."""

    def run_detached(*_: object, on_line: Callable[[str], None], **__: object) -> StepResult:
        on_line(HOSTILE)
        return StepResult(0, HOSTILE, 1, False)

    monkeypatch.setattr("runs.scripts.run_detached", run_detached)
    monkeypatch.setattr("runs.scripts.render", lambda *_, **__: "")
    session: Any = SimpleNamespace(host="n1")
    run_detached_script(Attempt("a-step", "n1"), session, "demo", "a template", {}, timedelta(seconds=1))
    assert clean(log)


def test_every_page_is_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Markdown and tables."""
    pages: list[Any] = []
    monkeypatch.setattr("runs.artifacts._created", lambda artifact: pages.append(artifact.model_dump()))
    artifacts.summary_artifact(RUN, HOSTILE)
    artifacts.history_artifact(HOSTILE)
    artifacts.overview_artifact([{"cluster": HOSTILE}])
    artifacts.host_network_artifact(RUN, [{"name": HOSTILE}], undo=False)
    node: Any = SimpleNamespace(
        spec=NodeState, name="n1", ready=False, reason=HOSTILE, addresses=(), pod_ranges=(), kubelet_version=HOSTILE
    )
    artifacts.nodes_artifact(RUN, [node])
    assert [clean([page]) for page in pages] == [True] * 5
