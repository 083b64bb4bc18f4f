"""The generated settings on a real Prefect server: what it answers without the password, to other pages, and where the password is."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from websocket import WebSocketBadStatusException, WebSocketException, create_connection

from demo.local_prefect import COMMANDS, LocalPrefect
from server.processes import EARLIER_SERVER
from tests.conftest import Workplace, copy_database, database_of, say

pytestmark = pytest.mark.server

NO_PASSWORD_NEEDED = {("GET", "/health"), ("GET", "/ready")}
SECRETS = "/block_documents/filter"
ELSEWHERE = "http://elsewhere.example"


@pytest.fixture(scope="module")
def server(prefect_server: Workplace) -> LocalPrefect:
    """A running server with blocks and deployments."""
    prefect_server.register({"kept": {"private_key": "-----BEGIN CANARY-----"}})
    return prefect_server.prefect


@pytest.fixture(scope="module")
def anyone(server: LocalPrefect) -> Iterator[httpx.Client]:
    """A client without the password. It has a token against CSRF, which is no protection against a local user: it is checked first."""
    name = str(uuid4())
    token = server.request("GET", f"/csrf-token?client={name}").json()["token"]
    headers = {"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": token}
    with httpx.Client(base_url=server.api, headers=headers, trust_env=False, timeout=30) as client:
        yield client


def operations(server: LocalPrefect) -> list[tuple[str, str]]:
    """Method and path of everything that the API offers over HTTP, from its own description."""
    paths: dict[str, dict[str, Any]] = server.request("GET", "/openapi.json").raise_for_status().json()["paths"]
    return sorted((method.upper(), path.format_map(_AnyId())) for path, methods in paths.items() for method in methods)


class _AnyId(dict[str, str]):
    """Fills the parameters of a path."""

    def __missing__(self, key: str) -> str:
        return str(uuid4())


def test_no_path_of_the_api_answers_without_the_password(server: LocalPrefect, anyone: httpx.Client) -> None:
    """Reading and writing; only the two health checks tell that the server runs."""
    offered = operations(server)
    assert {("POST", SECRETS), ("POST", "/flow_runs/filter"), ("POST", "/deployments/"), ("GET", "/admin/settings")} <= set(offered)
    assert len(offered) > 150
    answered = {(method, path) for method, path in offered if anyone.request(method, path, json={}).status_code != 401}
    assert answered == NO_PASSWORD_NEEDED


def test_the_password_is_what_opens_the_path_to_the_secrets(server: LocalPrefect, anyone: httpx.Client) -> None:
    """The request of the finding: refused without the password, answered with it."""
    question = {"include_secrets": True}
    refused = anyone.post(SECRETS, json=question)
    assert (refused.status_code, "CANARY" in refused.text) == (401, False)
    answered = server.request("POST", SECRETS, question)
    assert (answered.status_code, "CANARY" in answered.text) == (200, True)


@pytest.mark.parametrize("scheme", ["Basic {wrong}", "Basic {user}", "Bearer {right}", "Basic", "{right}", "Basic {colon}"])
def test_nothing_else_is_accepted_as_the_password(server: LocalPrefect, anyone: httpx.Client, scheme: str) -> None:
    """Wrong, incomplete, empty, or with another scheme."""
    user, password = server.settings.credential
    values = {"wrong": f"{user}:{password[:-1]}", "user": f"{user}:", "right": f"{user}:{password}", "colon": ":"}
    header = scheme.format_map({key: base64.b64encode(value.encode()).decode() for key, value in values.items()})
    assert anyone.post(SECRETS, json={}, headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("host", ["elsewhere.example", "elsewhere.example:{port}", "x/api/health?", "localhost:{port}"])
def test_a_request_under_another_host_name_is_refused_too(server: LocalPrefect, anyone: httpx.Client, host: str) -> None:
    """DNS rebinding: a page lets its own name lead to 127.0.0.1. The server answers under any name, and asks for the password under any."""
    name = host.format(port=urlsplit(server.api).port)
    assert anyone.post(SECRETS, json={"include_secrets": True}, headers={"Host": name}).status_code == 401


@pytest.mark.parametrize(
    "path", ["/api//admin/settings", "/api/health/../admin/settings", "/api/health/%2e%2e/admin/settings", "/api/ready/"]
)
def test_no_spelling_of_a_path_leads_around_the_password(server: LocalPrefect, path: str) -> None:
    """The health checks are exceptions by their exact path."""
    address = urlsplit(server.api)
    assert address.hostname is not None
    with httpx.Client(trust_env=False) as client:  # `raw_path`: httpx itself would resolve the dots
        url = httpx.URL(scheme="http", host=address.hostname, port=address.port, raw_path=path.encode())
        assert client.get(url).status_code == 401


def test_a_browser_gets_no_window_for_the_password(anyone: httpx.Client) -> None:
    """No WWW-Authenticate: a browser would keep what is typed there, and send it with the requests of other pages."""
    assert "www-authenticate" not in anyone.get("/admin/settings").headers


@pytest.mark.parametrize("origin", [ELSEWHERE, "null", "http://localhost:{port}", "http://127.0.0.1"])
def test_pages_of_other_origins_may_not_call_the_api(server: LocalPrefect, origin: str) -> None:
    """Neither ask first (preflight) nor read an answer, even with the password."""
    headers = {"Origin": origin.format(port=urlsplit(server.api).port)}
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    with httpx.Client(base_url=server.api, auth=server.settings.credential, trust_env=False, headers=headers, timeout=30) as page:
        for answer in (page.options(SECRETS, headers=ask), page.get("/admin/version")):
            assert "access-control-allow-origin" not in answer.headers


def test_pages_of_the_ui_may(server: LocalPrefect) -> None:
    """Else the test above would only show that there is no such header at all."""
    answer = httpx.options(
        f"{server.api}{SECRETS}", headers={"Origin": server.ui, "Access-Control-Request-Method": "POST"}, trust_env=False
    )
    assert answer.headers["access-control-allow-origin"] == server.ui


def test_a_change_needs_a_token_beside_the_password(server: LocalPrefect) -> None:
    """CSRF protection: a page that makes a browser send the password still has no token."""
    with httpx.Client(base_url=server.api, auth=server.settings.credential, trust_env=False, timeout=30) as client:
        answer = client.post("/variables/", json={"name": "sent_without_token", "value": "x"})
        assert answer.status_code == 403
        assert client.get("/variables/name/sent_without_token").status_code == 404


def websockets() -> list[str]:
    """The paths of the API's WebSockets, which its description does not have."""
    from fastapi.routing import APIWebSocketRoute
    from prefect.server.api.server import API_ROUTERS

    return [route.path for router in API_ROUTERS for route in router.routes if isinstance(route, APIWebSocketRoute)]


def first_message(server: LocalPrefect, path: str, subprotocols: list[str], token: str | None) -> Any:
    """What a WebSocket of the API answers to a token; None when it is closed instead."""
    url = server.api.replace("http", "ws", 1) + path.format_map(_AnyId())
    try:
        connection = create_connection(url, timeout=20, subprotocols=subprotocols, http_no_proxy=["127.0.0.1"])
    except WebSocketBadStatusException:
        return None
    try:
        connection.send(json.dumps({"type": "auth", "token": token} if token is not None else {"type": "filter", "filter": {}}))
        return json.loads(connection.recv() or "null")
    except (WebSocketException, OSError):
        return None
    finally:
        connection.shutdown()  # type: ignore[no-untyped-call]  # `close` leaves the socket when the server has closed the connection


def test_no_websocket_answers_without_the_password(server: LocalPrefect) -> None:
    """Events and logs among them, in both protocols of Prefect; with the password they answer."""
    user, password = server.settings.credential
    paths = websockets()
    assert {"/events/in", "/events/out", "/logs/out"} <= set(paths)
    for path in paths:
        for subprotocols, token in (([], None), (["prefect"], None), (["prefect"], ""), (["prefect"], f"{user}:wrong")):
            assert first_message(server, path, subprotocols, token) is None, (path, subprotocols)
        answer = first_message(server, path, ["prefect"], f"{user}:{password}")
        assert answer is not None, path
        assert answer["type"] in {"auth_success", "ready"}, path


def test_files_are_for_their_owner_alone(server: LocalPrefect) -> None:
    """The database with the blocks, results, the settings with the password, the logs; and nobody else enters the folders."""
    home = server.state / "prefect"
    assert {path.stat().st_mode & 0o777 for path in (server.state, home)} == {0o700}
    files = [server.settings.file, *server.state.glob("*.log"), *(path for path in home.rglob("*") if path.is_file())]
    assert {"prefect.toml", "server.log", "worker.log", "prefect.db"} <= {path.name for path in files}
    assert {path.name for path in files if path.stat().st_mode & 0o077} == set()


def test_the_password_is_in_the_settings_file_alone(prefect_server: Workplace, server: LocalPrefect) -> None:
    """After a flow run: in no log, not in the database, not in Prefect's files, and on no command line."""
    run = prefect_server.start("verify-cluster/default", {}, own_start=True)
    lines: set[bytes] = set()
    deadline = time.monotonic() + 200
    while (state := prefect_server.api(f"/flow_runs/{run}")["state_type"]) in {"SCHEDULED", "PENDING", "RUNNING"}:
        lines |= set(command_lines())
        assert time.monotonic() < deadline, state
    assert any(b"prefect.engine" in line for line in lines), "the run had no process"
    user, password = server.settings.credential
    spellings = [password.encode(), base64.b64encode(f"{user}:{password}".encode())]
    files = [path for path in server.root.rglob("*") if path.is_file()]
    assert {server.state / "server.log", server.state / "worker.log", server.state / "prefect" / "prefect.db"} <= set(files)
    holders = [path.name for path in files if any(spelling in path.read_bytes() for spelling in spellings)]
    assert holders == [server.settings.file.name]
    assert [line for line in lines if any(spelling in line for spelling in spellings)] == []


def command_lines() -> Iterator[bytes]:
    """Of all processes of this machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:
            continue  # it ended


def test_the_processes_start_without_the_password(server: LocalPrefect) -> None:
    """Server and worker read it from the settings file; the worker gives it to the processes of its runs, which only their user can inspect."""
    for name in COMMANDS:
        process = server.process(name)
        assert process is not None
        environment = process.environ()
        assert [key for key in environment if key.startswith("PREFECT_")] == []
        assert Path(f"/proc/{process.pid}/environ").stat().st_mode & 0o077 == 0


EARLIER = """home = {home}

[api]
url = "http://127.0.0.1:{port}/api"

[server]
analytics_enabled = false

[server.api]
host = "127.0.0.1"
port = {port}
"""


def test_a_server_without_a_password_is_replaced(server: LocalPrefect, tmp_path: Path) -> None:
    """One that an earlier version started: the next start says so, and keeps its database and its port."""
    prefect = LocalPrefect(tmp_path)
    prefect.state.mkdir(mode=0o755)
    database_of(prefect).parent.mkdir()
    copy_database(database_of(server), database_of(prefect))  # a new one takes seconds of processor time
    port = prefect._free_port()
    prefect.settings.file.write_text(EARLIER.format(home=json.dumps(str(prefect.state / "prefect")), port=port), encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, *EARLIER_SERVER], cwd=tmp_path, env=prefect.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as earlier:
        try:
            wait_for(f"{prefect.api}/health")
            saved = {"name": "kept", "value": "from the earlier server"}
            httpx.post(f"{prefect.api}/variables/", json=saved, trust_env=False, timeout=30).raise_for_status()
            assert not prefect.healthy()
            lines: list[str] = []
            prefect.start(lines.append)
            assert earlier.wait(30) is not None
            assert any("not protected by a password" in line for line in lines)
            assert prefect.healthy()
            assert httpx.post(f"{prefect.api}{SECRETS}", json={}, trust_env=False, timeout=30).status_code in {401, 403}
            assert prefect.request("GET", "/variables/name/kept").raise_for_status().json()["value"] == saved["value"]
            assert urlsplit(prefect.api).port == port
            assert {path.stat().st_mode & 0o077 for path in (prefect.state, *(prefect.state / "prefect").glob("prefect.db*"))} == {0}
            assert prefect.settings.credential[1] not in "".join(lines)
        finally:
            earlier.kill()
            prefect.stop(say)


def test_a_running_server_with_another_password_is_not_reused(server: LocalPrefect) -> None:
    """The settings file was written again since it started: nothing in this folder could use it."""
    text = server.settings.file.read_text(encoding="utf-8")
    try:
        server.settings.file.write_text(text.replace(server.settings.credential[1], "another"), encoding="utf-8")
        assert server.settings.protected()
        assert not server.healthy()
    finally:
        server.settings.file.write_text(text, encoding="utf-8")
    assert server.healthy()


def wait_for(url: str) -> None:
    """Until a server answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(url)
