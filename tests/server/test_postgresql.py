"""`sixstack setup --postgres` with Debian's PostgreSQL over IPv6: runs, the password, and the leases of a cluster's slot."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from demo.local_prefect import SIXSTACK, LocalPrefect
from server import processes
from server.services import arguments_of
from server.setup import Installation
from tests.conftest import Workplace
from tests.runs.test_cluster_slot import SOON, crashed, killed_holder, start, times, waits
from tests.secret_search import awkward_password
from tests.server.postgresql import Database, free_port, postgresql

pytestmark = [pytest.mark.server, pytest.mark.long]

LEASE = 60.0  # seconds; Prefect's minimum


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """A database whose password has signs that a URL encodes."""
    with postgresql(awkward_password()) as database:
        yield database


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, database: Database) -> Iterator[Installation]:
    """Server and worker with this database, by `sixstack setup` as a user runs it."""
    folder = tmp_path_factory.mktemp("postgresql")
    place = Installation(folder / "srv")
    password = folder / "password"
    password.write_text(database.password)
    password.chmod(0o600)
    environment = {**place.environment(), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "SIXSTACK_CACHE": str(folder)}
    command = [
        *SIXSTACK,
        "setup",
        "--folder",
        str(place.root),
        "--background",
        "--postgres",
        database.url,
        "--password-file",
        str(password),
    ]
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert database.password not in done.stdout + done.stderr
        password.unlink()
        yield place
    finally:
        for name in ("worker", "server"):
            if (process := processes.find(place.root, arguments_of(name))) is not None:
                processes.end(process)


@pytest.fixture(scope="module")
def workplace(place: Installation) -> Iterator[Workplace]:
    """The same folder, for the steps of the tests."""
    workplace = Workplace(LocalPrefect(place.root))
    yield workplace
    workplace.stop()


def test_a_run_completes_and_the_database_is_the_one_of_the_command(place: Installation, workplace: Workplace, database: Database) -> None:
    """Nothing is written to SQLite, and `server status` names the database without its password."""
    run = workplace.ended(workplace.start("list-clusters/default", {}))
    assert run["state_type"] == "COMPLETED", run["state"]
    assert not (place.home / "prefect.db").exists() or not (place.home / "prefect.db").stat().st_size
    status = workplace.sixstack("server", "status", "--folder", str(place.root), "--output", "json")
    assert status.returncode == 0, status.stdout + status.stderr
    assert json.loads(status.stdout)["database"] == database.url


def test_the_password_is_in_prefect_toml_alone(place: Installation, database: Database) -> None:
    """Of the files; and on no command line."""
    forms = {database.password, *place.settings.database.split("@")[0].split(":")[2:]} if place.settings.database else set()
    assert len(forms) == 2, "the password needs signs that a URL encodes"
    found = {
        path.relative_to(place.root).as_posix()
        for path in place.root.rglob("*")
        if path.is_file() and any(form.encode() in path.read_bytes() for form in forms)
    }
    assert found == {"prefect.toml"}
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines for form in forms if form in line]


def test_a_crashed_run_is_taken_over_as_with_sqlite(workplace: Workplace) -> None:
    """The slot of a cluster: one run at a time, and a run that has ended holds nobody up."""
    holder = killed_holder(workplace, "crashed")
    waiting = [start(workplace, "crashed", "take") for _ in range(2)]
    waits(workplace, "crashed", 2)
    known = crashed(workplace, holder)
    (_, first_end), (second_begin, _) = held = sorted(times(process) for process in waiting)
    assert known - 1 < held[0][0] < known + SOON
    assert first_end <= second_begin


Call = Callable[[str, dict[str, Any]], httpx.Response]


def caller(workplace: Workplace, api: str) -> Call:
    """Requests about leases, to the server at this address with the password of the folder."""

    def call(path: str, body: dict[str, Any]) -> httpx.Response:
        with httpx.Client(base_url=api, auth=workplace.prefect.settings.credential, timeout=30, trust_env=False) as client:
            token = client.get("/csrf-token", params={"client": "test"}).json()["token"]
            headers = {"Prefect-Csrf-Client": "test", "Prefect-Csrf-Token": token}
            return client.post(f"/v2/concurrency_limits/{path}", json=body, headers=headers)

    return call


def take(call: Call, limit: str) -> httpx.Response:
    """Ask for the only slot of a limit: 200 with a lease, or 423."""
    return call("increment-with-lease", {"names": [limit], "slots": 1, "mode": "concurrency", "lease_duration": LEASE})


def renew(call: Call, lease: str) -> int:
    """The answer to a renewal: 204, or 410 when the server does not know the lease."""
    return call(f"leases/{lease}/renew", {"lease_duration": LEASE}).status_code


@contextmanager
def another_api(place: Installation, **settings: str) -> Iterator[str]:
    """A second API server with the same database: its URL. Background services stay with the first one."""
    port = free_port("127.0.0.1")
    log = place.root / "second.log"
    environment = place.environment() | {"PREFECT_SERVER_API_PORT": str(port), **settings}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "prefect", "server", "start", "--no-services"]
        process = subprocess.Popen(command, cwd=place.root, env=environment, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/api"
        deadline = time.monotonic() + 120
        while True:
            try:
                if httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success:
                    break
            except httpx.HTTPError:
                pass
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        yield url
    finally:
        processes.end(psutil.Process(process.pid))
        process.wait(30)
        log.unlink()


def limit(workplace: Workplace, name: str) -> str:
    """A limit of 1."""
    workplace.api("/v2/concurrency_limits/", {"name": name, "limit": 1})
    return name


def test_a_lease_survives_the_end_of_the_server(place: Installation, workplace: Workplace) -> None:
    """The database has the slot, and the file of the lease is in the folder: a run goes on after the server starts again."""
    call, slot = caller(workplace, place.api), limit(workplace, "survives")
    lease = take(call, slot).raise_for_status().json()["lease_id"]
    server = processes.find(place.root, arguments_of("server"))
    assert server is not None
    processes.end(server)
    started = workplace.sixstack("server", "up", "--folder", str(place.root))
    assert started.returncode == 0, started.stdout + started.stderr
    assert take(call, slot).status_code == 423
    assert renew(call, lease) == 204
    workplace.prefect.request("POST", "/v2/concurrency_limits/decrement-with-lease", {"lease_id": lease}).raise_for_status()
    assert take(call, slot).status_code == 200


def test_two_api_servers_with_one_home_share_leases(place: Installation, workplace: Workplace) -> None:
    """As on one machine, or with the folder of the leases on storage that both reach."""
    slot = limit(workplace, "shared")
    with another_api(place) as url:
        first, second = caller(workplace, place.api), caller(workplace, url)
        lease = take(first, slot).raise_for_status().json()["lease_id"]
        assert take(second, slot).status_code == 423
        assert renew(second, lease) == 204
        second("decrement-with-lease", {"lease_id": lease}).raise_for_status()
        assert take(first, slot).status_code == 200


@pytest.mark.parametrize("storage", ["filesystem", "memory"])
def test_two_api_servers_without_a_common_storage_lose_leases(
    place: Installation, workplace: Workplace, tmp_path: Path, storage: str
) -> None:
    """The slot is one for both, as it is in the database. But the second server refuses to renew a lease of the first: the run would end."""
    slot = limit(workplace, f"apart-{storage}")
    settings = {
        "PREFECT_HOME": str(tmp_path),
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": f"prefect.server.concurrency.lease_storage.{storage}",
    }
    with another_api(place, **settings) as url:
        first, second = caller(workplace, place.api), caller(workplace, url)
        lease = take(first, slot).raise_for_status().json()["lease_id"]
        assert take(second, slot).status_code == 423
        assert (renew(second, lease), renew(first, lease)) == (410, 204)


def test_prefect_refuses_several_processes_without_redis(place: Installation) -> None:
    """Events would reach some of them only. The message names what is needed."""
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "server", "start", "--workers", "2"],
        cwd=place.root,
        env=place.environment() | {"PREFECT_SERVER_API_PORT": str(free_port("127.0.0.1")), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "redis" in (done.stdout + done.stderr).lower()
