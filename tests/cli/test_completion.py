"""Completion in shells, and the version."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.completion import SCRIPTS, words_after
from cli.main import COMMANDS, main
from tests.conftest import Workplace


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["cre"], ["credential", "create"]),
        (["--ver"], ["--version"]),
        (["bundle", "sh"], ["show"]),
        (["server", ""], ["up", "down", "status"]),
        (["bundle", "show", "--out"], ["--output"]),
        (["bundle", "show", "--output", ""], ["table", "json"]),
        (["delete", "--le"], ["--leave-out"]),
        (["nonsense", ""], []),
    ],
    ids=str,
)
def test_words_of_commands_and_options(typed: list[str], expected: list[str]) -> None:
    """Without a server."""
    assert words_after(typed) == expected


def test_every_command_can_be_completed() -> None:
    """Its options are known."""
    assert words_after([""])[: len(COMMANDS)] == list(COMMANDS)
    for command in COMMANDS:
        assert "--help" in words_after([command, "--h"])


@pytest.mark.server
def test_names_of_saved_clusters_are_completed(prefect_server: Workplace) -> None:
    """Those of kubeconfigs of other tools too."""
    save = ["-m", "tests.cli.save_given_kubeconfig", "completed"]
    assert prefect_server.python(*save, feed="{}").returncode == 0
    try:
        assert prefect_server.sixstack("completion", "--words", "kubectl", "compl").stdout == "completed\n"
    finally:
        prefect_server.remove_block("saved-kubeconfig/completed")


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_scripts_are_valid(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For each shell that this machine has."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bash_completes_a_command_and_a_file(tmp_path: Path) -> None:
    """In a real bash: the words of the command, and files beside names of clusters."""
    (tmp_path / "my.yaml").touch()
    program = tmp_path / "sixstack"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    program.chmod(0o755)
    test = """
source <(sixstack completion bash)
complete_words() { COMP_WORDS=(sixstack "$@"); COMP_CWORD=$#; COMPREPLY=(); _sixstack; echo "${COMPREPLY[*]}"; }
complete_words dele
complete_words plan my
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[2]), "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", test], cwd=tmp_path, env=environment | variables, capture_output=True, text=True, check=False)
    assert done.stdout == "delete\nmy.yaml\n", done.stderr


def test_the_version_names_the_commit(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a checkout, so that a report of a fault says what ran."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("sixstack ")
