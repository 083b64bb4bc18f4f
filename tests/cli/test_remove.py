"""`sixstack remove` and `--only`. The deployments are stand-ins here; tests/flows/test_remove_workers.py runs the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cli.create
import cli.remove
from cli.following import Waiting
from cli.main import main

EXAMPLE = str(Path(__file__).parents[2] / "deployments" / "examples" / "dual-stack.yaml")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Name and parameters of the runs that commands start, without the cluster."""
    runs: list[tuple[str, dict[str, Any]]] = []

    def run_deployment(name: str, parameters: dict[str, Any], _wait: Waiting) -> int:
        assert parameters.pop("cluster")["name"] == "demo"
        runs.append((name, parameters))
        return 0

    for command in (cli.create, cli.remove):
        monkeypatch.setattr(command, "run_deployment", run_deployment)
    return runs


def test_workers_are_removed_with_the_given_settings(started: list[tuple[str, dict[str, Any]]]) -> None:
    """Names that the file does not list are left to the run: the cluster may know them."""
    assert main(["remove", EXAMPLE, "node-2", "old-node"]) == 0
    assert main(["remove", EXAMPLE, "node-2", "--dead", "--force", "--limit", "30"]) == 0
    assert started == [
        ("remove-workers/default", {"hosts": ["node-2", "old-node"], "dead": False, "force": False, "drain_seconds": 300}),
        ("remove-workers/default", {"hosts": ["node-2"], "dead": True, "force": True, "drain_seconds": 30}),
    ]


@pytest.mark.parametrize(
    "arguments", [["remove", EXAMPLE], ["remove", EXAMPLE, "node-2", "--limit", "soon"], ["remove", EXAMPLE, "node-2", "--limit=-1"]]
)
def test_a_removal_without_a_name_or_with_another_limit_is_a_usage_error(
    arguments: list[str], started: list[tuple[str, dict[str, Any]]]
) -> None:
    """Exit code 2, and no run."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert started == []


def test_create_passes_the_named_hosts_on(started: list[tuple[str, dict[str, Any]]]) -> None:
    """Without --only, all hosts."""
    assert main(["create", EXAMPLE]) == 0
    assert main(["create", EXAMPLE, "--only", "node-2", "--no-verify", "--only", "node-3"]) == 0
    assert [(name, run["only"], run["verify"]) for name, run in started] == [
        ("create-cluster/default", [], True),
        ("create-cluster/default", ["node-2", "node-3"], False),
    ]


def test_a_plan_for_a_host_that_the_file_does_not_list_is_refused_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """With the nearest name."""
    assert main(["plan", EXAMPLE, "--only", "node-22"]) == 1
    assert "unknown-host" in capsys.readouterr().err
    assert main(["plan", EXAMPLE, "--only", "node-22", "--output", "json"]) == 1
    assert [problem["code"] for problem in json.loads(capsys.readouterr().out)["problems"]] == ["unknown-host"]
