"""Requests to the Prefect server without Prefect: the same settings, blocks and errors as with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from blocks import prefect_api
from cluster.vocabulary.credentials import Credential
from tests.conftest import Workplace

TOML = '[api]\nurl = "http://toml.example:4200/api"\nauth_string = "admin:toml"\n'
SCRIPT = """
import json, sys
from blocks import prefect_api
fast = prefect_api._access_without_prefect()
imported = "prefect" in sys.modules
slow = prefect_api._access_from_prefect()
fields = lambda access: None if access is None else [access.url, access.ui, dict(access.headers), access.verify]
print(json.dumps([fields(fast), fields(slow), imported]))
"""


@pytest.mark.parametrize(
    ("files", "variables", "is_fast"),
    [
        ({"prefect.toml": TOML}, {}, True),
        ({"prefect.toml": TOML}, {"PREFECT_API_URL": "http://variable.example/api"}, True),
        ({"prefect.toml": TOML}, {"PREFECT_API_AUTH_STRING": "admin:variable"}, True),
        ({"prefect.toml": TOML}, {"PREFECT_API_URL": ""}, False),
        ({}, {"PREFECT_API_URL": "https://variable.example/prefix/api", "PREFECT_API_AUTH_STRING": "a:b"}, True),
        ({}, {"PREFECT_API_URL": "http://variable.example/api/", "PREFECT_API_AUTH_STRING": "a:b"}, False),
        ({}, {"PREFECT_API_URL": "http://variable.example/api"}, False),
        ({}, {"prefect_api_url": "http://variable.example/api", "PREFECT_API_AUTH_STRING": "a:b"}, False),
        ({}, {"PREFECT_API_URL": "https://variable.example/api", "PREFECT_API_KEY": "k", "PREFECT_UI_URL": "https://ui.example"}, False),
        ({"prefect.toml": TOML, ".env": "PREFECT_API_URL=http://env.example/api\n"}, {}, False),
        ({"prefect.toml": TOML + "ssl_cert_file = '/ca.pem'\n"}, {}, True),
        ({"prefect.toml": TOML + "ssl_cert_file = '/ca.pem'\n"}, {"PREFECT_API_SSL_CERT_FILE": "/other.pem"}, True),
        ({"prefect.toml": TOML}, {"PREFECT_API_SSL_CERT_FILE": "/other.pem"}, True),
        ({"prefect.toml": TOML + "ssl_cert_file = ''\n"}, {}, False),
        ({"prefect.toml": "ui_url = 'https://ui.example'\n" + TOML}, {}, True),
        ({"prefect.toml": TOML + "tls_insecure_skip_verify = true\n"}, {}, False),
        ({"prefect.toml": TOML + "[client]\ncustom_headers = {a = 'b'}\n"}, {}, False),
        ({"pyproject.toml": "[tool.prefect.api]\nurl = 'http://project.example/api'\n"}, {}, False),
        ({"home/profiles.toml": "active = 'p'\n[profiles.p]\nPREFECT_API_URL = 'http://profile.example/api'\n"}, {}, False),
        ({}, {}, False),
    ],
    ids=str,
)
def test_the_settings_are_those_of_prefect(tmp_path: Path, files: dict[str, str], variables: dict[str, str], is_fast: bool) -> None:
    """From every source. Where Prefect is not asked, the answer is the one it would have given."""
    (tmp_path / "home").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    # SSL_CERT_FILE: Prefect hands it over, and httpx reads it by itself
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(("PREFECT_", "SSL_CERT_FILE"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env=environment | {"PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[2])} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fast, slow, imported = json.loads(done.stdout)
    assert not imported
    if is_fast:
        assert fast == slow
    else:
        assert fast is None


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


def test_a_server_whose_database_is_locked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect answers 503 then, which says that nothing was changed."""
    monkeypatch.setattr(prefect_api, "BUSY_SECONDS", (0.0, 0.0, 0.0))
    answers = [503, 503, 200]

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.pop(0))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server, httpx.Client() as client:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = prefect_api.PrefectApi(prefect_api.ServerAccess(f"http://127.0.0.1:{server.server_port}/api"), client)
        assert api.get("/flow_runs/1") == {}
        server.shutdown()
    assert answers == []
