"""Control characters that a host printed do not reach the terminal of who follows a run."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from cli.cluster_argument import problem_lines
from cli.columns import print_columns
from cli.following import Lines, _result
from cli.status_line import StatusLine
from cluster.vocabulary.problems import Problem
from tests.cluster.vocabulary.test_control_characters import CONTROL, HARMLESS, HOSTILE

Capture = pytest.CaptureFixture[str]


def printed(capture: Capture) -> str:
    """What was printed, in which there is no control character."""
    text = capture.readouterr().out
    assert [letter for letter in CONTROL if letter in text] == []
    return text


def test_the_message_of_the_final_state_is_clean(capsys: Capture) -> None:
    """The message of a final state may come from another version of sixstack, or from another flow."""

    async def ended() -> tuple[Any, str]:
        state = SimpleNamespace(name="Failed", message=HOSTILE, is_completed=lambda: False)
        return SimpleNamespace(id=uuid4(), name="a-run", state=state), "\0"

    assert _result(ended()) != 0
    assert printed(capsys) == f"a-run: failed\n{HARMLESS}\n"


def test_the_lines_of_events_are_clean(capsys: Capture) -> None:
    """Events of any sender."""
    from prefect.events import Event, Resource

    event = Event(
        occurred=datetime.now(UTC),
        event="sixstack.run.progress",
        resource=Resource({"prefect.resource.id": "sixstack.cluster.demo"}),
        payload={"line": HOSTILE},
        id=uuid4(),
    )

    lines = Lines(StatusLine())
    lines.show(event)
    assert lines.last == HARMLESS
    assert printed(capsys).endswith(f" {HARMLESS}\n")


def test_problems_and_tables_are_clean(capsys: Capture) -> None:
    """In a table, line feeds are replaced too."""
    print(problem_lines((Problem("a-code", "hosts/n1", HOSTILE, "a hint"),)))
    assert HARMLESS in printed(capsys)
    print_columns([("WHAT",), (HOSTILE + "\n",)])
    assert "title" in printed(capsys)
