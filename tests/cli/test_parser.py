"""Every fault of the options is reported at once, and a program that asks for JSON gets JSON."""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.main import COMMANDS, main, module_of
from cli.parser import Parser
from cluster.vocabulary.errors import EnvironmentFault, SpecError
from cluster.vocabulary.problems import Problem
from demo.local_prefect import SIXSTACK

Capture = pytest.CaptureFixture[str]


def refused(arguments: list[str], capsys: Capture) -> list[str]:
    """What is printed on standard error after the usage."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return [line for line in capsys.readouterr().err.splitlines() if " error: " in line]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["upgrade", "--limit", "0", "--max-unavailable", "x", "--bogus"], ["'0'", "'x'", "required: CLUSTER", "'--bogus'"]),
        (["upgrade", "demo", "--detach", "--wait", "5", "--limit", "no"], ["not allowed with argument --detach", "'no'"]),
        (["setup", "--postgres", "a", "--server", "b", "--port", "0", "--folder", "--background"], ["--postgres", "'0'", "--folder"]),
        (["plan", "demo", "--output", "xml", "extra", "--only"], ["'xml'", "--only", "'extra'"]),
        (["bundle", "verify", "--strict", "--blok"], ["required", "did you mean --block?"]),
        (["setup", "--folder", "", "--bundle", ""], ["--folder: ''", "--bundle: ''"]),
        (["server", "status", "--folder", "", "--output", "yaml"], ["--folder: ''", "'yaml'"]),
    ],
    ids=str,
)
def test_all_faults_are_reported_with_option_and_value(arguments: list[str], expected: list[str], capsys: Capture) -> None:
    """argparse itself ends at the first one."""
    lines = refused(arguments, capsys)
    for words in expected:
        assert [words in line for line in lines].count(True) == 1, (words, lines)
    assert len(lines) >= len(expected)


def test_the_usage_shows_what_is_required(capsys: Capture) -> None:
    """To find all faults, requirements are lifted for a moment."""
    with pytest.raises(SystemExit):
        main(["delete", "--bogus"])
    usage = capsys.readouterr().err
    assert "--confirm NAME" in usage
    assert "[--confirm NAME]" not in usage


@pytest.mark.parametrize("command", COMMANDS)
def test_defaults_are_valid_values(command: str) -> None:
    """argparse reads a default that is text like a value from the command line."""
    parser = Parser()
    importlib.import_module(module_of(command)).configure(parser)
    for holder in (parser, *(sub for action in parser._actions if isinstance(action.choices, dict) for sub in action.choices.values())):
        for action in holder._actions if isinstance(holder, Parser) else ():
            if isinstance(action.default, str) and action.default != "==SUPPRESS==":
                holder._get_value(action, action.default)


def test_faults_have_no_control_characters(capsys: Capture) -> None:
    """Arguments may come from elsewhere."""
    lines = refused(["check", "a", "\x1b[31mred", "--output", "\x9b1m"], capsys)
    lines += refused(["renew", "demo", "--w=\x1b[31mred"], capsys)  # the beginning of two options
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("arguments", [["create", "--output", "json", "--wait", "0"], ["certificates", "a", "b", "--output=json"]], ids=str)
def test_faults_of_the_options_are_json_too(arguments: list[str], capsys: Capture) -> None:
    """One object on standard output; the words for people stay on standard error."""
    with pytest.raises(SystemExit):
        main(arguments)
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]
    assert "usage:" in printed.err


def test_an_argument_of_kubectl_asks_nothing_of_sixstack(capsys: Capture) -> None:
    """It has an option --output of its own."""
    with pytest.raises(SystemExit):
        main(["kubectl", "--bogus", "--output", "json"])
    assert capsys.readouterr().out == ""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int], str], int]:
    """Runs what is given in place of `sixstack clusters`."""

    def run(work: Callable[[], int], output: str) -> int:
        monkeypatch.setattr("cli.clusters.run", lambda _: work())
        return main(["clusters", "--output", output])

    return run


def test_an_error_without_a_report_is_a_json_object(command: Callable[..., int], capsys: Capture) -> None:
    """The same text as for people, and the problems as data."""

    def fails() -> int:
        raise SpecError([Problem("a-code", "name", "'X' is wrong", "write x")])

    assert command(fails, "json") == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert (document["problems"][0]["code"], document["error"]) == ("a-code", printed.err.removeprefix("sixstack: ").strip())


def test_a_refusal_without_a_report_is_a_json_object(capsys: Capture, tmp_path: Path) -> None:
    """Commands print it themselves."""
    assert main(["certificates", str(tmp_path / "none.yaml"), "--output", "json"]) == 2
    printed = capsys.readouterr()
    assert "none.yaml" in json.loads(printed.out)["error"]
    assert "none.yaml" in printed.err


def test_a_report_stays_the_only_document(command: Callable[..., int], capsys: Capture) -> None:
    """Whatever the exit code is."""

    def reports() -> int:
        print("[]")
        return 1

    assert command(reports, "json") == 1
    assert json.loads(capsys.readouterr().out) == []


def test_text_gets_no_json(command: Callable[..., int], capsys: Capture) -> None:
    """Without --output json, standard output has no error."""

    def fails() -> int:
        raise EnvironmentFault("no server")

    assert command(fails, "text") == 3
    assert capsys.readouterr() == ("", "sixstack: no server\n")


@pytest.mark.parametrize(("number", "code"), [(errno.EACCES, 2), (errno.ENAMETOOLONG, 2), (errno.ENOSPC, 3)], ids=errno.errorcode.get)
def test_a_file_that_cannot_be_used_is_named_without_a_traceback(
    command: Callable[..., int], capsys: Capture, number: int, code: int
) -> None:
    """No code has to expect it. The name is printable."""

    def fails() -> int:
        raise OSError(number, os.strerror(number), "/srv/\x1b[31mfile")

    assert command(fails, "json") == code
    printed = capsys.readouterr()
    assert "file" in json.loads(printed.out)["error"]
    assert os.strerror(number) in printed.err
    assert "\x1b" not in printed.out + printed.err


def test_an_error_of_no_file_is_a_bug(command: Callable[..., int]) -> None:
    """It keeps its traceback."""

    def fails() -> int:
        raise OSError(errno.EBADF, "bad")

    with pytest.raises(OSError, match="bad"):
        command(fails, "text")


def test_a_reader_that_has_gone_is_no_error_of_the_help() -> None:
    """`sixstack kubectl --help | true`."""
    reading, writing = os.pipe()
    os.close(reading)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [*SIXSTACK, "kubectl", "--help"], env=buffered, stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")
