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
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from bundle.fetch import default_folder
from bundle.manifest import MANIFEST_NAME, Architecture, BundleManifest
from bundle.pack import write_manifest
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.releases import DEFAULT_RELEASE
from demo.local_prefect import SIXSTACK
from server import processes
from server.pointer import point_to, pointed_folder
from server.services import Background, SystemdUnits, arguments_of
from server.setup import (
    Installation,
    Wishes,
    _write_settings,
    active_runs,
    alone,
    default_installation,
    only_setup,
    present_bundle,
    set_up,
    status,
    without_password,
)
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


def hindered(place: Installation, wishes: Wishes | None = None) -> str:
    """The message of a set-up that changes nothing."""
    before = {path: path.lstat().st_mtime_ns for path in place.root.parent.rglob("*")}
    with pytest.raises(EnvironmentFault) as refused:
        set_up(place, wishes or Wishes(in_background=True), say)
    assert {path: path.lstat().st_mtime_ns for path in place.root.parent.rglob("*")} == before
    return str(refused.value)


def test_all_hindrances_are_told_at_once(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made."""
    place.root.mkdir()
    place.root.chmod(0o777)
    (place.root / "tmp").mkdir()
    (place.root / "prefect").mkdir()
    (place.root / "prefect" / "theirs").touch()
    (place.root.parent / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.root.parent / "file"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        database = f"postgresql+asyncpg://u:secret@127.0.0.1:{port + 1 if port < 65535 else 1}/db"
        told = hindered(place, Wishes(port=port, database=database, in_background=True))
    for expected in ("every user can write", str(place.root / "tmp"), "theirs", "file is not a folder", f"port {port}", "PostgreSQL"):
        assert expected in told
    assert "secret" not in told


@pytest.mark.parametrize("kind", ["a file", "below a file", "a long name", "a loop", "settings as a folder"])
def test_a_place_where_no_folder_can_be_is_told(place: Installation, kind: str) -> None:
    """Without a traceback."""
    root = place.root
    if kind == "a long name":
        place = Installation(root / ("x" * 300))
    elif kind == "a loop":
        root.symlink_to(root)
    elif kind == "settings as a folder":
        (root / "prefect.toml").mkdir(parents=True)
    else:
        root.write_text("")
        place = Installation(root / "below") if kind == "below a file" else place
    assert str(root) in hindered(place)


def test_what_an_interrupted_setup_left_does_not_hinder_the_next_one(place: Installation) -> None:
    """The folder of the database is made before the settings."""
    place.home.mkdir(parents=True)
    (place.home / "prefect.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "prefect.db" not in hindered(place, Wishes(port=other.getsockname()[1], in_background=True))


def test_two_commands_do_not_change_one_folder_at_once(place: Installation) -> None:
    """Each would write its own password."""
    place.root.mkdir()
    with alone(place):
        assert "wait for its end" in hindered(place)
    with alone(place):
        pass


def test_a_user_without_a_name_or_home_is_told_what_to_set(place: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs with a number."""
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr("os.access", lambda *_: True)
    assert "12345 has no home folder: set HOME" in hindered(place)
    with pytest.raises(EnvironmentFault, match="--folder"):
        default_installation()


def test_whoever_writes_the_pointer_or_a_unit_is_its_owner(place: Installation, tmp_path: Path) -> None:
    """Also with an open umask: a unit of the system says what root runs."""
    before = os.umask(0)
    try:
        point_to(place.root)
        units = SystemdUnits(place, is_system=False)
        written = []
        for name in ("server", "worker"):
            units.write(name, "text")
            written.append(units.file(name))
    finally:
        os.umask(before)
    assert pointed_folder() == place.root
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (*written, *(tmp_path / "home").rglob("*")) if path.exists()}
    assert len(modes) > 3
    assert not [path for path, mode in modes.items() if mode & 0o022]


def test_a_port_in_use_is_refused(place: Installation) -> None:
    """Another server would answer there."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(EnvironmentFault, match="in use"):
        set_up(place, Wishes(port=other.getsockname()[1]), say)
    assert not place.settings.file.exists()


def test_the_port_of_an_earlier_setup_that_another_program_has_taken_is_refused(place: Installation) -> None:
    """The server could not start, and its log would say so after a minute."""
    place.root.mkdir()
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            place.settings.write(home=place.home, port=other.server_port)
            assert "--port" in hindered(place)
        finally:
            other.shutdown()
            thread.join()


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
