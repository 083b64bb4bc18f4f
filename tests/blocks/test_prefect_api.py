"""Requests to the Prefect server without Prefect: the same settings, blocks and errors as with it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from blocks import prefect_api
from cluster.vocabulary.credentials import Credential
from tests.conftest import Workplace

TOML = '[api]\nurl = "http://toml.example:4200/api"\nauth_string = "admin:toml"\n'
READ_ACCESS = Path(__file__).with_name("read_access.py")


@dataclass(frozen=True)
class Sources:
    """Where settings come from: files in the folder, in which home/ is Prefect's, and variables."""

    files: dict[str, str]
    variables: dict[str, str]
    fast: bool  # they are read without Prefect
    any: bool = True  # whether one of them is for Prefect's clients


SOURCES = (
    Sources({"prefect.toml": TOML}, {}, True),
    Sources({"prefect.toml": TOML}, {"PREFECT_API_URL": "http://variable.example/api"}, True),
    Sources({"prefect.toml": TOML}, {"PREFECT_API_AUTH_STRING": "admin:variable"}, True),
    Sources({"prefect.toml": TOML}, {"PREFECT_API_URL": ""}, False),
    Sources({}, {"PREFECT_API_URL": "https://variable.example/prefix/api", "PREFECT_API_AUTH_STRING": "a:b"}, True),
    Sources({}, {"PREFECT_API_URL": "http://variable.example/api/", "PREFECT_API_AUTH_STRING": "a:b"}, False),
    Sources({}, {"PREFECT_API_URL": "http://variable.example/api"}, False),
    Sources({}, {"prefect_api_url": "http://variable.example/api", "PREFECT_API_AUTH_STRING": "a:b"}, False),
    Sources({}, {"PREFECT_API_URL": "https://variable.example/api", "PREFECT_API_KEY": "k", "PREFECT_UI_URL": "https://ui.example"}, False),
    Sources({"prefect.toml": TOML, ".env": "PREFECT_API_URL=http://env.example/api\n"}, {}, False),
    Sources({"prefect.toml": TOML + "ssl_cert_file = '/ca.pem'\n"}, {}, True),
    Sources({"prefect.toml": TOML + "ssl_cert_file = '/ca.pem'\n"}, {"PREFECT_API_SSL_CERT_FILE": "/other.pem"}, True),
    Sources({"prefect.toml": TOML}, {"PREFECT_API_SSL_CERT_FILE": "/other.pem"}, True),
    Sources({"prefect.toml": TOML + "ssl_cert_file = ''\n"}, {}, False),
    Sources({"prefect.toml": "ui_url = 'https://ui.example'\n" + TOML}, {}, True),
    Sources({"prefect.toml": TOML + "tls_insecure_skip_verify = true\n"}, {}, False),
    Sources({"prefect.toml": TOML + "[client]\ncustom_headers = {a = 'b'}\n"}, {}, False),
    Sources({"pyproject.toml": "[tool.prefect.api]\nurl = 'http://project.example/api'\n"}, {}, False),
    Sources({"home/profiles.toml": "active = 'p'\n[profiles.p]\nPREFECT_API_URL = 'http://profile.example/api'\n"}, {}, False),
    Sources({}, {}, False, any=False),
    Sources({"pyproject.toml": "[tool.other]\n"}, {"PREFECT_LOGGING_LEVEL": "INFO"}, False, any=False),
)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What read_access.py says of each of SOURCES. In one process, because an import of Prefect takes a second."""
    folders = []
    for sources in SOURCES:
        folder = tmp_path_factory.mktemp("sources")
        (folder / "home").mkdir()
        for name, text in sources.files.items():
            (folder / name).write_text(text)
        folders.append((str(folder), {"PREFECT_HOME": str(folder / "home"), **sources.variables}))
    # SSL_CERT_FILE: Prefect hands it over, and httpx reads it by itself
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(("PREFECT_", "SSL_CERT_FILE"))}
    done = subprocess.run(
        [sys.executable, READ_ACCESS],
        cwd=tmp_path_factory.mktemp("empty"),
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2]), "PREFECT_HOME": str(tmp_path_factory.mktemp("home"))},
        input=json.dumps(folders),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("number", range(len(SOURCES)), ids=lambda number: str(SOURCES[number]))
def test_the_settings_are_those_of_prefect(answers: list[dict[str, Any]], number: int) -> None:
    """From every source. Where Prefect is not asked, the answer is the one it would have given."""
    answer, sources = answers[number], SOURCES[number]
    assert not answer["imported"]
    if sources.fast:
        assert answer["without_prefect"] == answer["from_prefect"]
    else:
        assert answer["without_prefect"] is None
    assert answer["has_no_settings"] is not sources.any
    if not sources.any:
        assert answer["from_prefect"] is None


READ = """
import json, sys
from blocks.prefect_api import prefect_api
with prefect_api() as server:
    print(json.dumps([server.block("ssh-credential", "plain"), server.block("ssh-credential", "nobody"), "prefect" in sys.modules]))
"""


@pytest.mark.server
def test_a_block_has_the_values_that_prefect_loads(prefect_server: Workplace) -> None:
    """With its secrets. A block that does not exist is None, and Prefect is not imported."""
    values = {"private_key": "-----BEGIN", "passphrase": '\u00e4"\\n', "sudo_password": ""}
    prefect_server.register({"plain": values})
    done = prefect_server.run([sys.executable, "-c", READ])
    assert done.returncode == 0, done.stderr
    fields, missing, imported = json.loads(done.stdout)
    expected = Credential(private_key="-----BEGIN", passphrase='\u00e4"\\n')
    assert Credential.of_fields(fields) == expected
    assert (missing, imported) == (None, False)


@contextmanager
def answering(status: Callable[[], int]) -> Iterator[prefect_api.ServerAccess]:
    """A server whose answers are empty documents, each with the status code that the function returns."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status())
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield prefect_api.ServerAccess(f"http://127.0.0.1:{server.server_port}/api")
        server.shutdown()


def test_a_server_whose_database_is_locked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect answers 503 then, which says that nothing was changed."""
    monkeypatch.setattr(prefect_api, "BUSY_SECONDS", (0.0, 0.0, 0.0))
    answers = [503, 503, 200]
    with answering(lambda: answers.pop(0)) as access, httpx.Client() as client:
        assert prefect_api.PrefectApi(access, client).get("/flow_runs/1") == {}
    assert answers == []


def test_a_late_answer_is_awaited_and_the_user_learns_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request may wait for the lock of the database behind others. What is awaited is said once it takes long."""
    is_told = threading.Event()

    class Errors(io.StringIO):
        def flush(self) -> None:
            is_told.set()

    monkeypatch.setattr(prefect_api, "NOTICE_SECONDS", 0.1)
    monkeypatch.setattr(sys, "stderr", errors := Errors())
    with answering(lambda: 200 if is_told.wait(30) else 500) as access:
        monkeypatch.setattr(prefect_api, "server_access", lambda: access)
        with prefect_api.prefect_api() as api:
            assert api.get("/flow_runs/1") == {}
    assert f"waiting for an answer of the Prefect server at {access.url}" in errors.getvalue()
