"""The demo's Prefect server and worker, as `sixstack demo` starts and stops them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from demo.local_prefect import NICE, LocalPrefect
from tests.conftest import Workplace, say

pytestmark = pytest.mark.server


def test_the_server_is_reused_and_runs_behind_the_hosts(prefect_server: Workplace) -> None:
    """A second start keeps both processes; the server has a lower priority and the worker has not."""
    prefect = prefect_server.prefect
    server, worker = prefect.process("server"), prefect.process("worker")
    prefect.start(say)
    assert (prefect.process("server"), prefect.process("worker")) == (server, worker)
    assert server is not None
    assert worker is not None
    assert server.nice() == NICE
    assert worker.nice() == psutil.Process().nice()


def test_the_server_listens_on_loopback_alone(prefect_server: Workplace) -> None:
    """No other machine reaches the API, which would get the password over plain HTTP."""
    server = prefect_server.prefect.process("server")
    assert server is not None
    assert {entry.laddr.ip for entry in server.net_connections() if entry.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_the_runs_of_a_killed_worker_are_crashed_by_the_next_start(prefect_server: Workplace) -> None:
    """A run that was active when the worker got SIGKILL would be Running for ever."""
    prefect = prefect_server.prefect
    (deployment,) = prefect_server.api("/deployments/filter", {"deployments": {"name": {"any_": ["default"]}}, "limit": 1})
    worker = prefect.process("worker")
    assert worker is not None
    worker.kill()
    worker.wait(10)
    run = prefect_server.api(f"/deployments/{deployment['id']}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]
    prefect_server.api(f"/flow_runs/{run}/set_state", {"state": {"type": "RUNNING"}, "force": True})
    lines: list[str] = []
    prefect.start(lines.append)
    assert prefect_server.api(f"/flow_runs/{run}")["state_type"] == "CRASHED"
    assert any("was killed" in line for line in lines)
    assert prefect.process("worker") not in {None, worker}


def test_another_folder_has_another_server(prefect_server: Workplace, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Neither found nor stopped from there."""
    other = LocalPrefect(tmp_path_factory.mktemp("other"))
    other.stop(say)
    assert (other.process("server"), other.healthy()) == (None, False)
    assert prefect_server.prefect.healthy()


def test_records_and_copies_outlive_the_demo(tmp_path: Path) -> None:
    """The copies of deleted clusters with the key that decrypts them; everything else of the demo goes."""
    prefect = LocalPrefect(tmp_path)
    kept = (prefect.identity, prefect.copies / "demo" / "copy.tar.zst.age", prefect.state / "audit" / "record.json")
    for path in (*kept, prefect.settings.file, prefect.state / "server.log", prefect.state / "prefect" / "prefect.db"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    lines: list[str] = []
    prefect.remove(lines.append)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)
    assert len(lines) == 2
