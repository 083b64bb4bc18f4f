"""A server behind nginx with TLS, over IPv6 alone: the shipped configuration, a self-made authority, and a worker that sees nothing but the proxy."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from demo.local_prefect import SIXSTACK, LocalPrefect
from server import processes
from server.services import arguments_of
from server.setup import Installation
from tests.conftest import Workplace
from tests.server.postgresql import free_port
from tests.server.team_certificate import issue

pytestmark = [pytest.mark.server, pytest.mark.long]

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deployments" / "team" / "nginx.conf"
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
}}
"""
EXCHANGE = [sys.executable, str(Path(__file__).with_name("exchange_events.py"))]


@dataclass(frozen=True)
class Team:
    """The server's machine and its address for everybody else."""

    server: Installation
    url: str
    authority: Path
    folder: Path

    def run(self, home: str, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A command of the person with this home."""
        environment = self.server.environment() | {"HOME": str(self.folder / home), "SIXSTACK_CACHE": str(self.folder / "cache")}
        environment = {
            name: value for name, value in environment.items() if name not in {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "SSL_CERT_FILE"}
        }
        (self.folder / home).mkdir(exist_ok=True)
        return subprocess.run(command, cwd=cwd or self.folder, env=environment, capture_output=True, text=True, timeout=400, check=False)

    def password_file(self) -> str:
        """What the page tells to copy to the other machines."""
        file = self.folder / "auth"
        file.touch(0o600)
        file.write_text(":".join(self.server.settings.credential))
        return str(file)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """`sixstack setup --public-url`, and nginx before it."""
    folder = tmp_path_factory.mktemp("team")
    port = free_port("::1")
    team = Team(Installation(folder / "srv"), f"https://[::1]:{port}", folder / "ca.pem", folder)
    issue(folder, "IP:::1")
    nginx: subprocess.Popen[bytes] | None = None
    try:
        done = team.run("server", *SIXSTACK, "setup", "--folder", str(team.server.root), "--background", "--public-url", team.url)
        assert done.returncode == 0, done.stdout + done.stderr
        assert team.url in done.stdout
        nginx = start_nginx(team, port)
        yield team
    finally:
        if nginx is not None:
            processes.end(psutil.Process(nginx.pid))
            nginx.wait(10)
        for name in ("worker", "server"):
            if (process := processes.find(team.server.root, arguments_of(name))) is not None:
                processes.end(process)


def start_nginx(team: Team, port: int) -> subprocess.Popen[bytes]:
    """With the shipped file, in which the address, the files and the ports are those of the test."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "nginx is not installed: make test-long installs it"
    text = CONFIGURATION.read_text(encoding="utf-8")
    for shipped, own in {
        "listen [::]:443 ssl ipv6only=off;": f"listen [::1]:{port} ssl ipv6only=on;",
        "prefect.example;": "_;",
        "/etc/ssl/prefect/fullchain.pem": str(team.folder / "fullchain.pem"),
        "/etc/ssl/prefect/key.pem": str(team.folder / "key.pem"),
        "http://127.0.0.1:4200": team.server.api.removesuffix("/api"),
    }.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, own)
    (team.folder / "conf.d").mkdir()
    (team.folder / "conf.d" / "prefect.conf").write_text(text)
    (team.folder / "nginx.conf").write_text(MAIN.format(folder=team.folder))
    user = ["-g", "user root;"] if psutil.Process().uids().real == 0 else []
    command = [program, "-c", str(team.folder / "nginx.conf"), "-e", str(team.folder / "error.log"), *user]
    subprocess.run([*command, "-t"], check=True, capture_output=True, timeout=30)
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def worker(team: Team) -> Iterator[Installation]:
    """Another machine, which reaches the proxy alone: the server's own worker is stopped."""
    own = processes.find(team.server.root, arguments_of("worker"))
    assert own is not None
    processes.end(own)
    place = Installation(team.folder / "worker")
    try:
        done = team.run(
            "other",
            *(*SIXSTACK, "setup", "--folder", str(place.root), "--background", "--server", team.url),
            *("--ca-file", str(team.authority), "--password-file", team.password_file()),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield place
    finally:
        if (process := processes.find(place.root, arguments_of("worker"))) is not None:
            processes.end(process)


def test_an_unknown_authority_is_refused_before_anything_is_written(team: Team) -> None:
    """The message says that it is the certificate."""
    folder = team.folder / "refused"
    done = team.run(
        "refused-home", *SIXSTACK, "setup", "--folder", str(folder), "--server", team.url, "--password-file", team.password_file()
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "certificate verify failed" in done.stderr
    assert not (folder / "prefect.toml").exists()


def test_a_worker_takes_a_run_through_the_proxy(team: Team, worker: Installation) -> None:
    """Settings have the authority's file; the worker has no other way to the server."""
    assert worker.settings.authority == str(team.authority)
    run = Workplace(LocalPrefect(worker.root)).ended(Workplace(LocalPrefect(worker.root)).start("list-clusters/default", {}))
    assert run["state_type"] == "COMPLETED", run["state"]
    log = (team.folder / "access.log").read_text()
    assert f"/api/flow_runs/{run['id']}/set_state" in log


def test_commands_use_the_authority_in_every_folder(team: Team, worker: Installation) -> None:
    """Also those that do not import Prefect. The status is asked over the proxy."""
    elsewhere = team.folder / "elsewhere"
    elsewhere.mkdir()
    found = team.run("other", *SIXSTACK, "clusters", cwd=elsewhere)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr
    status = team.run("other", *SIXSTACK, "server", "status", "--output", "json", cwd=elsewhere)
    assert status.returncode == 0, status.stdout + status.stderr
    answer = json.loads(status.stdout)
    assert (answer["api"], answer["folder"]) == (f"{team.url}/api", str(worker.root))


def test_events_go_both_ways_over_websockets(team: Team, worker: Installation) -> None:
    """nginx answered 101 to both; a proxy without the two headers would answer 404 of Prefect."""
    done = team.run("other", *EXCHANGE, cwd=worker.root)
    assert done.stdout.strip() == "sixstack.test", done.stdout + done.stderr
    switched = [line.split('"')[1].split()[1] for line in (team.folder / "access.log").read_text().splitlines() if '" 101 ' in line]
    assert {"/api/events/in", "/api/events/out"} <= set(switched), switched


@pytest.fixture
def browser(team: Team) -> Callable[[], httpx.Client]:
    """A client that trusts the authority and knows no password."""
    return lambda: httpx.Client(base_url=team.url, verify=ssl.create_default_context(cafile=team.authority), trust_env=False, timeout=30)


def test_the_ui_is_told_the_public_address(team: Team, browser: Callable[[], httpx.Client]) -> None:
    """127.0.0.1 in it would be the machine of the browser. The API wants the password through the proxy too, and the token of a change."""
    with browser() as client:
        assert client.get("/ui-settings").raise_for_status().json()["api_url"] == f"{team.url}/api"
        assert client.get("/api/admin/version").status_code == 401
        refused = client.post("/api/flow_runs/filter", json={}, auth=team.server.settings.credential)
        assert (refused.status_code, "CSRF" in refused.text.upper()) == (403, True)
