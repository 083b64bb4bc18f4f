"""`sixstack setup` and `sixstack server` with a real Prefect server and worker in the background, and the choices that need none."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from bundle.fetch import default_folder
from bundle.manifest import MANIFEST_NAME, Architecture, BundleManifest
from bundle.pack import write_manifest
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.releases import DEFAULT_RELEASE
from demo.local_prefect import SIXSTACK
from server import processes
from server.services import Background, arguments_of
from server.setup import Installation, Wishes, _write_settings, active_runs, only_setup, present_bundle, set_up, status, without_password
from tests.conftest import say

POSTGRES = "postgresql+asyncpg://sixstack:secret@db.example/sixstack?ssl=require"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A folder for an installation of a user with an empty home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIXSTACK_CACHE", str(tmp_path / "cache"))  # without a bundle
    return Installation(tmp_path / "srv")


@pytest.mark.server
def test_one_command_sets_up_everything_and_the_purge_keeps_what_cannot_be_made_again(place: Installation, tmp_path: Path) -> None:
    """From another folder, commands use the server. A second start and a stop change nothing else."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def sixstack(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*SIXSTACK, *arguments], cwd=elsewhere, env=place.environment(), capture_output=True, text=True, timeout=400, check=False
        )

    try:
        done = sixstack("setup", "--folder", str(place.root), "--background")
        assert done.returncode == 0, done.stdout + done.stderr
        for expected in (
            place.ui,
            str(place.identity),
            str(place.audit),
            str(place.copies),
            "sixstack bundle fetch",
            "grep -m1 auth_string",
        ):
            assert expected in done.stdout
        assert place.settings.credential[1] not in done.stdout + done.stderr
        assert stat.S_IMODE(place.root.stat().st_mode) == 0o700
        deployment = place.request("GET", "/deployments/name/delete-cluster/default").raise_for_status().json()["id"]

        found = sixstack("clusters")
        assert (found.returncode, found.stdout) == (0, ""), found.stderr
        shown = sixstack("server", "status", "--output", "json")
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert json.loads(shown.stdout)["blocks"] == {
            "artifact-bundle": None,
            "audit-store": str(place.audit),
            "backup-store": str(place.copies),
        }

        server, worker = (processes.find(place.root, arguments_of(name)) for name in ("server", "worker"))
        assert server is not None
        assert worker is not None
        assert worker.environ()["TMPDIR"] == str(place.root / "tmp")  # the one of the machine has files of other users' workers

        run = new_run(place, deployment)
        set_state(place, run, "RUNNING")
        refused = sixstack("server", "down", "--purge", "--confirm", str(place.root))
        assert (refused.returncode, server.is_running(), place.settings.file.exists()) == (3, True, True), refused.stderr
        of_another_machine = new_run(place, place.ask("GET", "/deployments/name/list-clusters/default")["id"])
        place.request("PATCH", f"/flow_runs/{of_another_machine}/labels", {"prefect.worker.name": "elsewhere"}).raise_for_status()
        set_state(place, of_another_machine, "RUNNING")
        last = last_report(place)
        worker.kill()
        worker.wait(10)
        assert sixstack("server", "up").returncode == 0
        assert last_report(place) > last, "this is what the killed worker reported"
        assert processes.find(place.root, arguments_of("server")) == server
        assert [place.ask("GET", f"/flow_runs/{found}")["state_type"] for found in (run, of_another_machine)] == ["CRASHED", "RUNNING"]
        assert f"flow-run retry {run}" in sixstack("server", "status").stdout
        set_state(place, of_another_machine, "COMPLETED")
        look_at_the_runs_of_killed_and_ending_processes(place, run, deployment, of_another_machine)

        assert sixstack("server", "down", "--purge").returncode == 2
        purged = sixstack("server", "down", "--purge", "--confirm", str(place.root))
        assert purged.returncode == 0, purged.stdout + purged.stderr
        assert "saved blocks" in purged.stdout
        assert [path for path in place.root.rglob("*") if path.is_file()] == [place.identity]
        assert not server.is_running()
        assert not (tmp_path / "home/.config/sixstack/server-folder").exists()
        assert "sixstack setup" in sixstack("clusters").stderr
    finally:
        for name in ("worker", "server"):
            if (process := processes.find(place.root, arguments_of(name))) is not None:
                processes.end(process)


def look_at_the_runs_of_killed_and_ending_processes(place: Installation, killed: str, deployment: str, completed: str) -> None:
    """A killed run is interrupted until it is run again. A run that has completed is not active while its process ends."""
    again = new_run(place, deployment)
    assert status(place, Background(place))["interrupted_runs"] == []
    set_state(place, again, "COMPLETED")
    assert status(place, Background(place))["interrupted_runs"] == []
    with process_of(place, completed):
        assert active_runs(place) == []
    with process_of(place, killed) as lives:
        assert active_runs(place) == [f"process {lives}"]


def new_run(place: Installation, deployment: str) -> str:
    """A run without parameters that no worker takes."""
    return str(place.ask("POST", f"/deployments/{deployment}/create_flow_run", {"state": {"type": "PENDING"}})["id"])


def set_state(place: Installation, run: str, state: str) -> None:
    """Whatever Prefect's rules say."""
    place.ask("POST", f"/flow_runs/{run}/set_state", {"state": {"type": state}, "force": True})


def last_report(place: Installation) -> datetime:
    """Of the worker of this machine."""
    (found,) = place.ask("POST", "/work_pools/sixstack/workers/filter", {})
    return datetime.fromisoformat(found["last_heartbeat_time"])


@contextmanager
def process_of(place: Installation, run: str) -> Iterator[int]:
    """A process with the command line and the variables of a flow run's."""
    environment = {**os.environ, "PREFECT_API_URL": place.api, "PREFECT__FLOW_RUN_ID": run}
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "prefect.engine"], env=environment)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("before", "wishes"),
    [
        ("sqlite", Wishes(database=POSTGRES)),
        ("sqlite", Wishes(server="https://prefect.example/api", server_auth="a:b")),
        ("postgres", Wishes(database=POSTGRES.replace("db.", "other."))),
        ("foreign", Wishes()),
        ("elsewhere", Wishes(database=POSTGRES)),
        ("elsewhere", Wishes(port=4300)),
        ("elsewhere", Wishes(public_url="https://prefect.example")),
        ("elsewhere", Wishes(server="https://other.example/api", server_auth="a:b")),
    ],
    ids=str,
)
def test_a_folder_does_not_change_its_database(place: Installation, before: str, wishes: Wishes) -> None:
    """Setup would leave its blocks and runs behind without a message. A prefect.toml that setup did not write stays as it is."""
    place.root.mkdir()
    if before == "foreign":
        place.settings.file.write_text("[logging]\nlevel = 'DEBUG'\n")
    elif before == "elsewhere":
        place.settings.write_for("https://prefect.example/api", "user:password", home=place.home)
    else:
        place.settings.write(home=place.home, port=4200, database=POSTGRES if before == "postgres" else None)
    held = place.settings.file.read_bytes()
    with pytest.raises(EnvironmentFault, match="purge"):
        set_up(place, wishes, say)
    assert place.settings.file.read_bytes() == held


def test_a_later_setup_keeps_the_public_address(place: Installation) -> None:
    """As it keeps the port and the database; another one replaces it."""
    place.root.mkdir()
    place.settings.write(home=place.home, port=4200, public_url="https://prefect.example")
    _write_settings(place, Wishes(), say)
    kept = place.settings.public_url
    _write_settings(place, Wishes(public_url="https://new.example"), say)
    assert (kept, place.settings.public_url, place.api) == ("https://prefect.example", "https://new.example", "http://127.0.0.1:4200/api")


def test_a_port_in_use_is_refused(place: Installation) -> None:
    """Another server would answer there."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(EnvironmentFault, match="in use"):
        set_up(place, Wishes(port=other.getsockname()[1]), say)
    assert not place.settings.file.exists()


def test_two_setups_at_once_do_not_choose_one_port() -> None:
    """The second one waits until the server of the first one has its port, and does not wait for ever."""
    said: list[str] = []
    began, done = threading.Event(), threading.Event()

    def first() -> None:
        with only_setup(said.append):
            began.set()
            time.sleep(0.5)
            done.set()

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(10)
    with pytest.raises(EnvironmentFault, match="another `sixstack setup`"), only_setup(said.append, limit=0):
        pass
    with only_setup(said.append):
        assert done.is_set()
    thread.join()
    assert len(said) == 2  # both waited, and said so


def test_a_connection_url_is_shown_without_password_and_options() -> None:
    """Such as a password in the query."""
    assert without_password(POSTGRES) == "postgresql://sixstack@db.example/sixstack"
    assert without_password("postgresql+asyncpg:///sixstack?password=secret&host=/run") == "postgresql:///sixstack"
    assert without_password("postgresql+asyncpg://u:s%40cret@[fd66::1]:5432/db") == "postgresql://u@[fd66::1]:5432/db"


def test_the_newest_bundle_of_the_default_release_is_registered(place: Installation) -> None:
    """A fetched one before those that were built here; none while there is none, or one of another release."""
    assert place.root.name == "srv"
    fetched = default_folder(Architecture.of_this_machine())
    file = BundleManifest(
        name="small", kubernetes_version=f"v{DEFAULT_RELEASE.kubernetes}", architecture=Architecture.of_this_machine(), files=()
    )
    expected: list[Path | None] = [present_bundle()]
    for folder, manifest, age in (
        (fetched.with_name("other"), file.model_copy(update={"kubernetes_version": "v1.20.0"}), 0),
        (fetched.with_name("older"), file, 100),
        (fetched.with_name("newer"), file, 50),
        (fetched, file, 200),
    ):
        folder.mkdir(parents=True)
        write_manifest(folder, manifest)
        os.utime(folder / MANIFEST_NAME, (time.time() - age,) * 2)
        expected.append(present_bundle())
    assert expected == [None, None, fetched.with_name("older"), fetched.with_name("newer"), fetched]
