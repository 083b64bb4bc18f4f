"""A store that is away for a while loses no record, fails no step and delays none for long.

The store is a folder behind a real HTTP server, through fsspec's HTTP file system; the server refuses, hangs or is stopped as the test says.
The Prefect server is left out: progress lines are collected.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.settings import PREFECT_HOME, temporary_settings

from blocks.audit_store import AuditStore
from cluster.vocabulary.record_chain import RunCondition, VerifiedRun, verify_cluster
from cluster.vocabulary.records import Outcome, StepRecord
from runs import artifacts, attempts, record_writer
from runs.context import RunContext
from runs.record_spool import RunSpool, deliver_leftovers, spool_folder
from runs.record_writer import RecordWriter

RUN_ID = "00000000-0000-4000-8000-000000000001"
RUN = RunContext(cluster="demo", id=RUN_ID, audit="default", bundle="none")


class Server(ThreadingHTTPServer):
    """A folder over HTTP: listings, GET and PUT."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.refuses = False  # answer 503
        self.hangs = threading.Event()  # answer nothing while it is set
        self.requests = 0
        super().__init__(("127.0.0.1", 0), _Request)

    @property
    def url(self) -> str:
        """Of the store."""
        return f"http://127.0.0.1:{self.server_port}"


class _Request(SimpleHTTPRequestHandler):
    server: Server

    def __init__(self, request: Any, address: Any, server: Server) -> None:
        super().__init__(request, address, server, directory=str(server.folder))

    def parse_request(self) -> bool:
        """Refuse or wait first."""
        if not super().parse_request():
            return False
        self.server.requests += 1
        while self.server.hangs.is_set():
            time.sleep(0.05)
        if self.server.refuses:
            self.send_error(503)
        return not self.server.refuses

    def do_PUT(self) -> None:
        """Store a file whole."""
        path = Path(self.translate_path(self.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(201)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """No lines in the output of the tests."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """The store's server."""
    (tmp_path / "store").mkdir()
    with Server(tmp_path / "store") as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.hangs.clear()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A Prefect home of this test, which has the spool."""
    with temporary_settings({PREFECT_HOME: tmp_path / "prefect"}):
        yield tmp_path / "prefect"


@pytest.fixture(autouse=True)
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The progress lines."""
    collected: list[str] = []
    monkeypatch.setattr(record_writer, "report_progress", lambda _run, line, **_: collected.append(line))
    return collected


def document(step: str = "a-step", host: str = "n1") -> dict[str, Any]:
    """An attempt."""
    now = datetime.now(UTC)
    return StepRecord(
        cluster="demo", host=host, step=step, flow_run=RUN_ID, attempt=1, outcome=Outcome.CHANGED, start=now, end=now
    ).model_dump(mode="json")


def store_of(server: Server) -> AuditStore:
    """The store over HTTP."""
    return AuditStore(url=server.url)


def steps(server: Server) -> list[str]:
    """The steps in the store, in the order of their chain."""
    found = [json.loads(path.read_text()) for path in (server.folder / "demo" / RUN_ID).glob("*.json")]
    return [one["step"] for one in sorted(found, key=lambda one: int(one["chain"]["sequence"]))]


def verified(server: Server) -> VerifiedRun:
    """The run as `sixstack audit --verify` finds it, from the folder itself."""
    store = AuditStore(url=str(server.folder))
    (run,) = verify_cluster("demo", store.files("demo"), store.last_runs("demo"))
    return run


def waiting() -> list[Path]:
    """The files in the spool."""
    # os.walk passes over folders that go meanwhile
    return sorted(Path(folder, file) for folder, _, files in os.walk(spool_folder()) for file in files)


def until(condition: Any, limit: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_parallel_steps_have_one_chain_in_a_good_store(server: Server, lines: list[str]) -> None:
    """Eight threads; the closing record is the last; nothing is left in the spool."""
    writer = RecordWriter(RUN, store_of(server))
    threads = [
        threading.Thread(target=lambda host=host: [writer.write(document(f"step-{number}", f"n{host}")) for number in range(5)])
        for host in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    head = writer.close()
    assert (verified(server).condition, verified(server).records) == (RunCondition.OK, 41)
    assert head is not None
    assert verified(server).head == head.sha256
    assert lines == []
    assert list(spool_folder().rglob("*")) == []


def test_a_record_costs_one_request(server: Server) -> None:
    """Its run costs a few more: its folder, and the heads of the cluster's runs."""
    writer = RecordWriter(RUN, store_of(server))
    writer.write(document("first"))
    before = server.requests
    for number in range(20):
        writer.write(document(f"later-{number}"))
    assert server.requests - before == 20
    writer.close()
    assert server.requests <= 20 + 9


def test_a_store_that_refuses_for_a_while_loses_nothing(server: Server, lines: list[str]) -> None:
    """Steps go on at once; the records wait on the disk, and come to the store in their order."""
    writer = RecordWriter(RUN, store_of(server))
    assert writer.write(document("first"))
    server.refuses = True
    began = time.monotonic()
    assert [writer.write(document(f"later-{number}")) for number in range(4)] == [False] * 4
    assert time.monotonic() - began < 5
    assert len(waiting()) == 4
    assert {path.stat().st_mode & 0o777 for path in waiting()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in spool_folder().rglob("*") if path.is_dir()} == {0o700}
    assert "503" in writer.warning
    assert str(spool_folder()) in writer.warning
    server.refuses = False
    until(lambda: not waiting())
    assert writer.warning == ""
    assert writer.write(document("last"))
    writer.close()
    assert steps(server) == ["first", *(f"later-{number}" for number in range(4)), "last", "end-run"]
    assert verified(server).condition is RunCondition.OK
    assert [line.split(":")[0] for line in lines] == [
        "warning",
        "the audit store `default` answers again",
    ], lines
    assert "4 records" in lines[1]


def test_a_store_that_hangs_delays_one_step_for_a_bounded_time_and_the_next_not_at_all(server: Server) -> None:
    """It answers later what it was asked, and each record is there once."""
    writer = RecordWriter(RUN, store_of(server))
    assert writer.write(document("first"))
    server.hangs.set()
    began = time.monotonic()
    assert not writer.write(document("hanging"), seconds=0.5)
    assert 0.4 < time.monotonic() - began < 3
    began = time.monotonic()
    assert [writer.write(document(f"later-{number}")) for number in range(3)] == [False] * 3
    assert time.monotonic() - began < 1
    server.hangs.clear()
    until(lambda: not waiting())
    writer.close()
    assert steps(server) == ["first", "hanging", "later-0", "later-1", "later-2", "end-run"]
    assert verified(server).condition is RunCondition.OK


def test_a_run_that_ends_before_its_store_answers_leaves_its_records_to_the_next_run(
    server: Server, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the closing record, so that its chain is complete in the end."""
    monkeypatch.setattr(record_writer, "CLOSE_SECONDS", 0.5)
    server.refuses = True
    done = subprocess.run(
        [sys.executable, "-m", "tests.runs.test_record_writer", server.url, str(spool_folder().parents[1])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(waiting()) == 3
    server.refuses = False
    next_run = RunContext(cluster="other", id="run-2", audit="default", bundle="none")
    writer = RecordWriter(next_run, store_of(server))
    writer.write(document() | {"cluster": "other", "flow_run": "run-2"})
    until(lambda: not waiting())
    assert steps(server) == ["step-0", "step-1", "end-run"]
    assert verified(server).condition is RunCondition.OK
    until(lambda: lines)
    assert lines == [f"note: 3 audit records of run {RUN_ID} on demo were delivered late"]


def test_a_retried_run_delivers_its_own_leftovers_first(server: Server) -> None:
    """A new process with the same id; the order of the attempts is kept."""
    server.refuses = True
    subprocess.run(
        [sys.executable, "-m", "tests.runs.test_record_writer", server.url, str(spool_folder().parents[1]), "--killed"], check=False
    )
    assert len(waiting()) == 2
    server.refuses = False
    writer = RecordWriter(RUN, store_of(server))
    writer.write(document("retried"))
    writer.close()
    assert steps(server) == ["step-0", "step-1", "retried", "end-run"]
    assert verified(server).condition is RunCondition.OK


def test_leftovers_of_a_living_run_are_not_touched(server: Server) -> None:
    """`sixstack audit` beside a run whose store just came back."""
    writer = RecordWriter(RUN, store_of(server))
    server.refuses = True
    assert not writer.write(document())
    assert list(deliver_leftovers("default", AuditStore(url=str(server.folder)))) == []
    assert len(waiting()) == 1
    server.refuses = False
    until(lambda: not waiting())
    writer.close()


def test_leftovers_that_another_process_delivers_meanwhile_are_passed_over(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It removes the folder of the cluster after this process has seen it."""
    server.refuses = True
    subprocess.run(
        [sys.executable, "-m", "tests.runs.test_record_writer", server.url, str(spool_folder().parents[1]), "--killed"], check=False
    )
    cluster = spool_folder() / "default" / "demo"
    assert cluster.is_dir()
    listed = os.scandir

    def scandir(folder: str | Path) -> Any:
        if Path(folder) == cluster and cluster.exists():
            cluster.rename(server.folder / "gone")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(deliver_leftovers("default", store_of(server))) == []
    assert not cluster.exists()


def test_records_of_another_cluster_among_the_leftovers_go_to_its_chain(server: Server) -> None:
    """Where an earlier version kept them, they held up all that came after them."""
    store = AuditStore(url=str(server.folder))
    spool = RunSpool("default", "demo", RUN_ID)
    for cluster, step in (("demo", "first"), ("other", "of-the-other"), ("demo", "last")):
        spool.add(document(step) | {"cluster": cluster})
    assert [(left.delivered, left.waiting) for left in deliver_leftovers("default", store)] == [(3, 0)]
    assert steps(server) == ["first", "last"]
    (found,) = (server.folder / "other" / RUN_ID).glob("*.json")
    assert json.loads(found.read_text())["step"] == "of-the-other"
    for cluster in ("demo", "other"):
        (run,) = verify_cluster(cluster, store.files(cluster), store.last_runs(cluster))
        assert not run.faults


def test_a_run_on_two_clusters_has_two_chains(server: Server, monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    """A retest also deletes the cluster that has its hosts. Both chains end with the run."""
    store = AuditStore(url=str(server.folder))
    monkeypatch.setattr(record_writer, "_load_store", lambda _run: store)
    for step in ("first", "second"):
        for cluster in ("demo", "other"):
            record = StepRecord.model_validate(document(step) | {"cluster": cluster})
            record_writer.write_record(replace(RUN, cluster=cluster), record)
    monkeypatch.setattr(record_writer, "_ending", {RUN_ID: RUN})
    record_writer.close_audit_records(None, SimpleNamespace(id=RUN_ID), None)  # type: ignore[arg-type]
    for cluster in ("demo", "other"):
        (run,) = verify_cluster(cluster, store.files(cluster), store.last_runs(cluster))
        assert (run.condition, run.records) == (RunCondition.OK, 3)
    assert [line.partition(",")[0] for line in lines] == ["3 audit records"] * 2
    assert (record_writer._writers_of(RUN_ID), waiting()) == ([], [])


def test_leftovers_that_cannot_be_delivered_stay_with_a_reason(server: Server) -> None:
    """The command prints it."""
    server.refuses = True
    subprocess.run(
        [sys.executable, "-m", "tests.runs.test_record_writer", server.url, str(spool_folder().parents[1]), "--killed"], check=False
    )
    (left,) = deliver_leftovers("default", store_of(server))
    assert (left.delivered, left.waiting) == (0, 2)
    assert "503" in left.reason
    assert len(waiting()) == 2


def test_without_a_disk_a_record_waits_in_memory(server: Server, lines: list[str], home: Path) -> None:
    """A full or read-only disk on the worker, while the store is away too: the step does not fail."""
    home.mkdir()
    (home / "sixstack").write_text("a file in place of the folder")
    writer = RecordWriter(RUN, store_of(server))
    server.refuses = True
    assert not writer.write(document())
    assert "only in memory" in writer.warning
    assert any("only in memory" in line for line in lines)
    server.refuses = False
    until(lambda: steps(server) == ["a-step"])
    writer.close()
    assert verified(server).condition is RunCondition.OK


def test_a_step_succeeds_whose_record_cannot_be_stored(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the summary of its run has a warning with the reason; without the secrets of the attempt, on the disk too."""
    pages: list[str] = []
    monkeypatch.setattr(record_writer, "_load_store", lambda _: store_of(server))
    monkeypatch.setattr(attempts, "report_progress", lambda *_, **__: None)
    monkeypatch.setattr(artifacts, "_created", lambda artifact: pages.append(artifact.markdown))
    server.refuses = True
    with attempts.record_attempt("a-step", "n1", RUN) as attempt:
        attempt.secrets.add("canary-of-a-token")
        attempt.change("joined with canary-of-a-token")
    artifacts.summary_artifact(RUN, "3 of 3 hosts joined")
    assert "3 of 3 hosts joined" in pages[0]
    assert "503" in pages[0]
    assert "1 of its records wait in" in pages[0]
    assert "joined with ***" in waiting()[0].read_text()
    server.refuses = False
    until(lambda: not waiting())
    assert steps(server) == ["a-step"]


def _leave_records(url: str, prefect_home: str, *, killed: bool) -> None:
    """In a process of its own: a run whose store is away until it ends, or is killed."""
    import signal

    record_writer.CLOSE_SECONDS = 0.5
    setattr(record_writer, "report_progress", lambda *_, **__: None)  # noqa: B010 mypy takes it for a private name
    with temporary_settings({PREFECT_HOME: Path(prefect_home)}):
        writer = RecordWriter(RUN, AuditStore(url=url))
        for number in range(2):
            writer.write(document(f"step-{number}"))
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)
        assert writer.close() is None


if __name__ == "__main__":
    _leave_records(sys.argv[1], sys.argv[2], killed="--killed" in sys.argv)
