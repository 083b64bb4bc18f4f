"""What `sixstack setup` and `sixstack server` refuse before anything is written, and that no secret is printed."""

from __future__ import annotations

import json
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest

from cli.exit_codes import ENVIRONMENT, USAGE
from cli.main import main
from server.settings import PrefectSettings

SECRET = "canary+password"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pointer of the person who runs the tests is read or written."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--postgres", f"postgresql://user:{SECRET}@127.0.0.1:1/sixstack", "--password-file", "{whole}"],
        ["--postgres", "mysql://user@127.0.0.1:1/sixstack", "--password-file", "{whole}"],
        ["--postgres", "postgresql://user@127.0.0.1:1", "--password-file", "{whole}"],
        ["--server", f"http://user:{SECRET}@127.0.0.1:1/api", "--password-file", "{whole}"],
        ["--server", "127.0.0.1:1", "--password-file", "{whole}"],
        ["--server", "http://127.0.0.1:1/api", "--password-file", "{open}"],
        ["--server", "http://127.0.0.1:1/api", "--password-file", "{half}"],
        ["--server", "http://127.0.0.1:1/api", "--password-file", "{whole}", "--port", "4300"],
        ["--server", "http://127.0.0.1:1/api", "--password-file", "{missing}"],
        ["--password-file", "{whole}"],
        ["--ca-file", "{whole}"],
        ["--server", "http://127.0.0.1:1/api", "--password-file", "{whole}", "--ca-file", "{whole}"],
        ["--server", "https://127.0.0.1:1/api", "--password-file", "{whole}", "--ca-file", "{whole}"],
        ["--server", "https://127.0.0.1:1/api", "--password-file", "{whole}", "--ca-file", "{missing}"],
        ["--server", "https://127.0.0.1:1/api", "--password-file", "{whole}", "--public-url", "https://prefect.example"],
        ["--public-url", "prefect.example"],
        ["--public-url", "https://prefect.example/prefix"],
        ["--public-url", f"https://user:{SECRET}@prefect.example"],
    ],
    ids=str,
)
def test_wrong_use_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """A password on the command line, in a file that others read, or in none; a URL of something else. Nothing is written."""
    files = {name: tmp_path / name for name in ("open", "half", "whole", "missing")}
    for name, text in (("open", f"user:{SECRET}"), ("half", SECRET), ("whole", f"user:{SECRET}")):
        files[name].write_text(text)
        files[name].chmod(0o644 if name == "open" else 0o600)
    code = main(["setup", "--folder", str(tmp_path / "srv"), *(word.format_map(files) for word in arguments)])
    printed = capsys.readouterr()
    assert code == USAGE, printed
    assert SECRET not in printed.out + printed.err
    assert not (tmp_path / "srv").exists()


def test_all_wrong_options_are_reported_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its name and its value, before a password is asked for."""
    monkeypatch.setattr("cli.terminal_questions.ask_secret", lambda _: pytest.fail("asked for a password"))
    (tmp_path / "file").write_text("")
    wrong = {
        "--server": f"https://prefect.example:99999/api?key={SECRET}",
        "--port": "4300",
        "--public-url": "https://prefect.example/prefix",
        "--ca-file": str(tmp_path / "none.pem"),
        "--bundle": str(tmp_path / "no-bundle"),
        "--folder": str(tmp_path / "two\nlines"),
    }
    code = main(["setup", *(word for pair in wrong.items() for word in pair)])
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert code == USAGE
    assert {line.split()[1] for line in lines} == set(wrong)
    assert len(lines) == len(wrong) + 1  # --public-url has a path, and is of another server
    assert all(value.partition("?")[0].replace("\n", "\\n") in printed.err for value in wrong.values())
    assert SECRET not in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    "url", ["postgresql://u@[::1/db", "postgresql://u@h:port/db", "postgresql://u@h/d\tb", f"postgresql://u@h/db?password={SECRET}"]
)
def test_an_address_that_no_database_has_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    """Not an error of the driver later."""
    assert main(["setup", "--folder", str(tmp_path / "srv"), "--postgres", url, "--password-file", "-"]) == USAGE
    printed = capsys.readouterr()
    assert "--postgres" in printed.err
    assert SECRET not in printed.err


@pytest.mark.parametrize("content", [b"user:canary\xff", b"user:canary\nsecond line", b"user:can\x00ary"], ids=repr)
def test_a_password_of_other_text_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    """No part of it is printed."""
    file = tmp_path / "password"
    file.write_bytes(content)
    file.chmod(0o600)
    assert main(["setup", "--folder", str(tmp_path / "srv"), "--server", "http://127.0.0.1:1", "--password-file", str(file)]) == USAGE
    printed = capsys.readouterr()
    assert str(file) in printed.err
    assert "canary" not in printed.err


@pytest.mark.parametrize("name", ["end ", "end\\", "control\x1b", "not\udcffUTF-8"])
def test_a_folder_that_no_unit_can_name_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """systemd would start its units elsewhere, or read the next line as a part of the name."""
    for command in (["setup"], ["server", "up"]):
        assert main([*command, "--folder", str(tmp_path / name)]) == USAGE
        assert "--folder" in capsys.readouterr().err
    assert main(["prefect-settings", str(tmp_path / name)]) == USAGE
    assert list(tmp_path.iterdir()) == []


def test_the_reason_why_a_server_cannot_be_used_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as another password than the one in prefect.toml."""
    with HTTPServer(("127.0.0.1", 0), RefusesEverything) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        PrefectSettings(tmp_path).write(home=tmp_path / "prefect", port=server.server_port)
        assert main(["server", "status", "--folder", str(tmp_path)]) == ENVIRONMENT
        assert "refuses the password" in capsys.readouterr().out
        assert main(["server", "status", "--folder", str(tmp_path), "--output", "json"]) == ENVIRONMENT
        assert json.loads(capsys.readouterr().out)["fault"] == "refuses the password"
        server.shutdown()


def test_a_database_that_does_not_answer_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked before any setting is written. The password is in no message, also when it has signs that a URL encodes."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        file = tmp_path / "password"
        file.write_text(SECRET)
        file.chmod(0o600)
        url = f"postgresql://user@127.0.0.1:{nobody.getsockname()[1]}/sixstack"
        code = main(["setup", "--folder", str(tmp_path / "srv"), "--postgres", url, "--password-file", str(file)])
    printed = capsys.readouterr()
    assert code == ENVIRONMENT
    assert "127.0.0.1 cannot be used" in printed.err
    assert all(form not in printed.out + printed.err for form in (SECRET, quote(SECRET, safe="")))
    assert not (tmp_path / "srv").exists()


@pytest.mark.parametrize("action", ["up", "down", "status"])
def test_a_folder_without_a_server_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str) -> None:
    """The error names the command that makes one."""
    assert main(["server", action, "--folder", str(tmp_path)]) == ENVIRONMENT
    assert "sixstack setup" in capsys.readouterr().err


class AnswersEverything(BaseHTTPRequestHandler):
    """In place of a Prefect server without a password, or with another one."""

    status = 200

    def do_GET(self) -> None:
        """The same answer to every request."""
        self.send_response(self.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


class RefusesEverything(AnswersEverything):
    """With another password."""

    status = 401


class IsAnotherProgram(AnswersEverything):
    """No Prefect server."""

    status = 404


@pytest.mark.parametrize(
    ("handler", "expected"),
    [(AnswersEverything, "has no password"), (RefusesEverything, "refuses the password"), (IsAnotherProgram, "is no Prefect server")],
)
def test_a_server_elsewhere_that_cannot_be_used_is_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], handler: type[BaseHTTPRequestHandler], expected: str
) -> None:
    """Asked before any setting is written: the password of another server is in no file."""
    file = tmp_path / "password"
    file.write_text(f"user:{SECRET}")
    file.chmod(0o600)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        code = main(["setup", "--folder", str(tmp_path / "srv"), "--server", url, "--password-file", str(file)])
        server.shutdown()
    printed = capsys.readouterr()
    assert code == ENVIRONMENT
    assert f"the server at {url}/api {expected}" in printed.err
    assert SECRET not in printed.out + printed.err
    assert not (tmp_path / "srv" / "prefect.toml").exists()
