"""`sixstack mark-test-hosts` asks for the name of the cluster. The deployment is a stand-in here; tests/flows/test_retests.py runs the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import cli.mark_test_hosts
from cli.following import Waiting
from cli.main import main

EXAMPLE = str(Path(__file__).parents[2] / "deployments" / "examples" / "dual-stack.yaml")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The parameters of the runs that the command starts."""
    runs: list[dict[str, Any]] = []

    def run_deployment(name: str, parameters: dict[str, Any], _wait: Waiting) -> int:
        assert name == "mark-test-hosts/default"
        runs.append(parameters)
        return 0

    monkeypatch.setattr(cli.mark_test_hosts, "run_deployment", run_deployment)
    return runs


def test_the_question_names_every_machine_and_the_answer_is_the_confirmation(
    started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run checks the answer: a wrong one marks nothing."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: " demo ")
    assert main(["mark-test-hosts", EXAMPLE]) == 0
    assert [(run["confirm"], run["undo"], run["cluster"]["name"]) for run in started] == [("demo", False, "demo")]
    shown = capsys.readouterr().out
    assert all(address in shown for address in ("192.0.2.11", "192.0.2.12", "192.0.2.13"))


def test_the_option_stands_for_the_answer(started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """For scripts, and with --undo too."""
    monkeypatch.setattr("builtins.input", lambda _question: pytest.fail("asked"))
    assert main(["mark-test-hosts", EXAMPLE, "--confirm", "demo", "--undo"]) == 0
    assert [(run["confirm"], run["undo"]) for run in started] == [("demo", True)]


def test_without_a_terminal_nothing_is_started(started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, with the option to add."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(["mark-test-hosts", EXAMPLE]) == 2
    assert started == []


def test_no_answer_is_no_confirmation(started: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D at the question."""

    def end_of_file(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", end_of_file)
    assert main(["mark-test-hosts", EXAMPLE]) == 2
    assert started == []
