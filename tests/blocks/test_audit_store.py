"""The audit store keeps every attempt in a hash chain, overwrites none, and shows what was changed, on any storage."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from blocks.audit_store import AuditStore
from blocks.run_records import RunRecords
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.record_chain import FaultKind, RunCondition, VerifiedRun, verify_cluster
from cluster.vocabulary.records import END_RUN, ClosingRecord, Outcome, StepRecord


def record(step: str = "join-worker", host: str = "worker-1", run: str = "run-1", cluster: str = "demo", **fields: Any) -> dict[str, Any]:
    """A record of an attempt, without a number."""
    now = datetime.now(UTC)
    kind = ClosingRecord if step == END_RUN else StepRecord
    made = kind(cluster=cluster, host=host, step=step, flow_run=run, attempt=1, outcome=Outcome.CHANGED, start=now, end=now, **fields)
    return made.model_dump(mode="json")


def write_run(store: AuditStore, run: str = "run-1", cluster: str = "demo", *, steps: int = 3, end: bool = True) -> RunRecords:
    """A run with some steps, and its closing record."""
    records = RunRecords(store, cluster, run)
    for number in range(1, steps + 1):
        records.append(record(f"step-{number}", run=run, cluster=cluster))
    if end:
        records.append(record(END_RUN, "cluster", run=run, cluster=cluster))
    return records


def verified(store: AuditStore, cluster: str = "demo") -> list[VerifiedRun]:
    """What `sixstack audit --verify` finds."""
    return verify_cluster(cluster, store.files(cluster), store.last_runs(cluster))


def conditions(store: AuditStore) -> dict[str, RunCondition]:
    """The condition of each run."""
    return {run.run: run.condition for run in verified(store)}


def faults(store: AuditStore) -> list[tuple[FaultKind, str]]:
    """The faults of all runs."""
    return [(fault.kind, fault.what) for run in verified(store) for fault in run.faults]


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AuditStore:
    """A store in a folder, and one on another fsspec file system."""
    return AuditStore(url=str(tmp_path / "audit") if request.param == "folder" else f"memory://{uuid4()}/audit")


def edit(store: AuditStore, path: str, change: Callable[[bytes], bytes | None]) -> None:
    """Change a file, or delete it with None, as somebody does who may write to the store."""
    system, root = store._system()
    content = change(system.cat_file(f"{root}/{path}"))
    if content is None:
        system.rm_file(f"{root}/{path}")
    else:
        system.pipe_file(f"{root}/{path}", content)


def test_each_attempt_gets_the_next_number(store: AuditStore) -> None:
    """Attempts are counted separately for each step and host."""
    records = RunRecords(store, "demo", "run-1")
    for _ in range(3):
        records.append(record())
    records.append(record(host="worker-10"))
    RunRecords(store, "demo", "run-2").append(record(run="run-2"))
    found = [(one["flow_run"], one["host"], one["attempt"]) for one in store.read("demo").documents]
    assert found == [*(("run-1", "worker-1", attempt) for attempt in (1, 2, 3)), ("run-1", "worker-10", 1), ("run-2", "worker-1", 1)]


def test_each_record_has_the_digest_of_the_file_before_it(store: AuditStore) -> None:
    """So `sha256sum` can check a chain too; the closing record has the number of records."""
    records = write_run(store)
    paths = [*(f"demo/run-1/step-{number}.worker-1.1.json" for number in (1, 2, 3)), "demo/run-1/end-run.cluster.1.json"]
    contents = [store.content(path) for path in paths]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    documents = [json.loads(content) for content in contents]
    assert [document["chain"]["sequence"] for document in documents] == [1, 2, 3, 4]
    assert [document["chain"]["previous"] for document in documents] == ["", *digests[:3]]
    assert (documents[3]["records"], documents[3]["head"]) == (3, digests[2])
    assert records.head is not None
    assert records.head.sha256 == digests[3]
    assert conditions(store) == {"run-1": RunCondition.OK}


def test_a_retried_run_continues_its_chain(store: AuditStore) -> None:
    """In another process: numbers of attempts, sequence and digests; it may end twice."""
    write_run(store)
    write_run(store)
    assert [one["chain"]["sequence"] for one in store.read("run-1").documents] == [*range(1, 9)]
    assert {one["attempt"] for one in store.read("run-1").documents} == {1, 2}
    assert conditions(store) == {"run-1": RunCondition.OK}


def test_a_record_that_is_added_again_is_stored_once(store: AuditStore) -> None:
    """A process that was killed between the store and its own disk delivers it twice."""
    one, two = record(), record(host="worker-2")
    for documents in ([one], [one, two], [two]):
        records = RunRecords(store, "demo", "run-1")
        for document in documents:
            records.append(document)
    assert len(store.read("run-1").documents) == 2
    assert faults(store) == []


def test_two_processes_of_one_run_overwrite_nothing(store: AuditStore) -> None:
    """One that lost its server goes on beside its retry: the record of each attempt stays."""
    first, second = RunRecords(store, "demo", "run-1"), RunRecords(store, "demo", "run-1")
    for records in (first, second, first, second):
        records.append(record())
    assert sorted(one["attempt"] for one in store.read("run-1").documents) == [1, 2, 3, 4]
    assert faults(store) == []


def test_a_torn_record_of_an_earlier_process_is_not_overwritten(store: AuditStore) -> None:
    """Storage on a network can keep a part of a file, whose attempt is then written with the next number."""
    write_run(store, steps=1, end=False)
    edit(store, "demo/run-1/step-1.worker-1.1.json", lambda content: content[:100])
    write_run(store, steps=1, end=False)
    assert [one["attempt"] for one in store.read("run-1").documents] == [2]
    assert (FaultKind.TORN, "demo/run-1/step-1.worker-1.1.json") in faults(store)


def test_records_are_found_by_run_and_by_cluster_oldest_first(store: AuditStore) -> None:
    """By the id of a run or the name of a cluster, without other records."""
    write_run(store)
    write_run(store, "run-9", "other", steps=1, end=False)
    steps = ["step-1", "step-2", "step-3", END_RUN]
    assert [found["step"] for found in store.read("run-1").documents] == steps
    assert [found["step"] for found in store.read("demo").documents] == steps
    assert [found["cluster"] for found in store.read("run-9").documents] == ["other"]
    assert store.read("nothing").documents == []
    assert [store.clusters_of(name) for name in ("run-1", "demo", "nothing")] == [["demo"], ["demo"], []]


def test_torn_records_have_a_path_and_a_reason_and_hide_no_other(store: AuditStore) -> None:
    """Of `sixstack audit`; the history of retests counts them."""
    write_run(store)
    edit(store, "demo/run-1/step-1.worker-1.1.json", lambda content: content[:-9])
    edit(store, "demo/run-1/step-2.worker-1.1.json", lambda _: b"[" * 100_000)
    edit(store, "demo/run-1/step-3.worker-1.1.json", lambda _: b'{"start": 1}')
    found = store.read("demo")
    assert [document["step"] for document in found.documents] == [END_RUN]
    assert [path for path, _ in found.unreadable] == [f"demo/run-1/step-{number}.worker-1.1.json" for number in (1, 2, 3)]
    assert all(reason for _, reason in found.unreadable)
    assert [type(one) for one in store.documents("demo")].count(type(None)) == 2
    assert store.documents("nothing") == []


FIRST, SECOND, THIRD, LAST = (
    *(f"demo/run-1/step-{number}.worker-1.1.json" for number in (1, 2, 3)),
    "demo/run-1/end-run.cluster.1.json",
)


@pytest.mark.parametrize("path", [FIRST, SECOND, THIRD, LAST])
def test_an_edit_is_found(store: AuditStore, path: str) -> None:
    """In the first record and in the last one too."""
    write_run(store)
    edit(store, path, lambda content: content.replace(b'"changed"', b'"unchanged"', 1))
    assert faults(store) == [(FaultKind.CHANGED, path)]


def test_a_field_that_is_written_twice_is_an_edit(store: AuditStore) -> None:
    """A JSON reader keeps the second one, so the digest of the document would be the same."""
    write_run(store)
    edit(store, SECOND, lambda content: content.replace(b"{\n", b'{\n "error": "none",\n', 1))
    assert faults(store) == [(FaultKind.CHANGED, SECOND)]


@pytest.mark.parametrize(
    ("removed", "numbers"),
    [([FIRST], ["1"]), ([SECOND, THIRD], ["2..3"]), ([FIRST, THIRD], ["1", "3"]), ([LAST], ["4"]), ([THIRD, LAST], ["3..4"])],
)
def test_a_deletion_is_found(store: AuditStore, removed: list[str], numbers: list[str]) -> None:
    """At the end of the chain too, where the cluster's newest heads have the number."""
    write_run(store)
    for path in removed:
        edit(store, path, lambda _: None)
    assert [fault for fault in faults(store) if fault[0] is FaultKind.MISSING] == [(FaultKind.MISSING, number) for number in numbers]


def test_a_torn_record_is_found(store: AuditStore) -> None:
    """It is named, and its number is missing."""
    write_run(store)
    edit(store, SECOND, lambda content: content[:100])
    assert faults(store) == [(FaultKind.TORN, SECOND), (FaultKind.MISSING, "2")]


def test_another_order_is_found(store: AuditStore) -> None:
    """Two files that changed places, and two numbers that changed places."""
    write_run(store)
    first, second = store.content(FIRST), store.content(SECOND)
    edit(store, FIRST, lambda _: second)
    edit(store, SECOND, lambda _: first)
    assert faults(store) == [(FaultKind.MOVED, FIRST), (FaultKind.MOVED, SECOND)]
    edit(store, FIRST, lambda _: first.replace(b'"sequence": 1', b'"sequence": 2'))
    edit(store, SECOND, lambda _: second.replace(b'"sequence": 2', b'"sequence": 1'))
    assert FaultKind.CHANGED in {kind for kind, _ in faults(store)}


def test_an_added_record_is_found(store: AuditStore) -> None:
    """Without a place in the chain, or at a place that is taken."""
    write_run(store)
    system, root = store._system()
    system.pipe_file(f"{root}/demo/run-1/step-9.worker-1.1.json", json.dumps(record("step-9")).encode())
    assert faults(store) == [(FaultKind.ADDED, "demo/run-1/step-9.worker-1.1.json")]
    copy = json.loads(store.content(SECOND)) | {"step": "step-9"}
    system.pipe_file(f"{root}/demo/run-1/step-9.worker-1.1.json", json.dumps(copy).encode())
    assert faults(store) == [(FaultKind.REPEATED, "demo/run-1/step-9.worker-1.1.json")]


def test_a_run_that_was_killed_has_no_closing_record_and_is_not_damaged(store: AuditStore) -> None:
    """Another run begins after it."""
    write_run(store, end=False)
    write_run(store, "run-2")
    assert conditions(store) == {"run-1": RunCondition.NO_CLOSING_RECORD, "run-2": RunCondition.OK}


def test_records_from_before_the_chain_are_not_chained(store: AuditStore) -> None:
    """Alone, and in a run that was retried with the chain; one of the latter that is removed later is missing."""
    system, root = store._system()
    for run, step in (("run-0", "step-1"), ("run-1", "old-1"), ("run-1", "old-2")):
        document = record(step, run=run)
        del document["chain"]
        store.make_run_folder("demo", run)
        system.pipe_file(f"{root}/demo/{run}/{step}.worker-1.1.json", json.dumps(document, indent=1).encode())
    assert set(conditions(store).values()) == {RunCondition.NOT_CHAINED}
    write_run(store)
    assert conditions(store) == {"run-0": RunCondition.NOT_CHAINED, "run-1": RunCondition.OK}
    edit(store, "demo/run-1/old-1.worker-1.1.json", lambda _: None)
    assert [kind for kind, _ in faults(store)] == [FaultKind.MISSING]


def remove_run(store: AuditStore, run: str) -> None:
    """Delete the folder of a run."""
    system, root = store._system()
    system.rm(f"{root}/demo/{run}", recursive=True)


@pytest.mark.parametrize("run", ["run-2", "run-3"])
def test_a_run_that_was_removed_is_found(store: AuditStore, run: str) -> None:
    """The next run names it; the newest one is in the cluster's file of heads."""
    for name in ("run-1", "run-2", "run-3"):
        write_run(store, name)
    remove_run(store, run)
    assert conditions(store)[run] is RunCondition.DAMAGED
    assert [name for name, condition in conditions(store).items() if condition is RunCondition.DAMAGED] == [run]


def test_the_oldest_runs_may_be_removed(store: AuditStore) -> None:
    """Only the oldest kept run names one of them."""
    for name in ("run-1", "run-2", "run-3", "run-4"):
        write_run(store, name)
    remove_run(store, "run-1")
    remove_run(store, "run-2")
    assert conditions(store) == {"run-2": RunCondition.REMOVED, "run-3": RunCondition.OK, "run-4": RunCondition.OK}


def test_a_run_whose_chain_was_taken_off_or_made_anew_is_found(store: AuditStore) -> None:
    """The next run has the digest of its last record."""
    write_run(store)
    write_run(store, "run-2")
    for path in (FIRST, SECOND, THIRD, LAST):
        edit(store, path, lambda content: json.dumps(json.loads(content) | {"chain": None}).encode())
    assert faults(store) == [(FaultKind.MISSING, "1..4")]
    remove_run(store, "run-1")
    RunRecords(store, "demo", "run-1").append(record(END_RUN, "cluster"))
    assert FaultKind.MISSING in {kind for kind, _ in faults(store)}


def test_runs_that_overlap_are_both_named_by_the_next_one(store: AuditStore) -> None:
    """The second one begins before the first one ends: its offline check needs no slot."""
    first = write_run(store, "run-1", end=False)
    second = write_run(store, "run-2", end=False)
    first.append(record(END_RUN, "cluster", run="run-1"))
    second.append(record(END_RUN, "cluster", run="run-2"))
    write_run(store, "run-3")
    write_run(store, "run-4")
    assert set(conditions(store).values()) == {RunCondition.OK}
    for run in ("run-1", "run-2"):
        edit(store, f"demo/{run}/end-run.cluster.1.json", lambda content: content + b"\n")
    assert [kind for kind, _ in faults(store)] == [FaultKind.CHANGED] * 2


def test_the_key_is_the_path_of_a_record(tmp_path: Path) -> None:
    """CLUSTER/FLOW_RUN/STEP.HOST.ATTEMPT.json below the folder; only the owner can read it."""
    store = AuditStore(url=str(tmp_path / "audit"))
    old = os.umask(0)
    try:
        write_run(store, steps=1, end=False)
    finally:
        os.umask(old)
    modes = {str(path.relative_to(tmp_path)): oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*")}
    assert modes == {
        "audit": "0o700",
        "audit/demo": "0o700",
        "audit/demo/last-runs": "0o600",
        "audit/demo/run-1": "0o700",
        "audit/demo/run-1/step-1.worker-1.1.json": "0o600",
    }


def test_a_file_system_without_hard_links_overwrites_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT and some network file systems; here os.link refuses."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("blocks.new_file.os.link", refuse)
    store = AuditStore(url=str(tmp_path))
    write_run(store)
    with pytest.raises(FileExistsError):
        store.create(FIRST, b"other")
    assert conditions(store) == {"run-1": RunCondition.OK}


LARGE = 30_000_000  # bytes: it takes some milliseconds to write
WRITE_FOR_EVER = """
import sys
from blocks.audit_store import AuditStore
from blocks.run_records import RunRecords
from tests.blocks.test_audit_store import LARGE, record
records = RunRecords(AuditStore(url=sys.argv[1]), "demo", "run-1")
while True:
    records.append(record(output="x" * LARGE))
"""


def test_kill_9_in_the_middle_of_writing_leaves_no_torn_record(tmp_path: Path) -> None:
    """At a moment when a file has a part of its content; the next process continues the chain."""
    store = AuditStore(url=str(tmp_path))
    for _ in range(10):
        with subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)]) as process:
            while not any(0 < size < LARGE for size in _sizes(tmp_path / "demo" / "run-1")):
                assert process.poll() is None
            process.send_signal(signal.SIGKILL)
        (found,) = verified(store)
        assert found.faults == ()
        if found.unfinished:  # else the file was complete before the signal came
            break
    assert found.unfinished
    write_run(store, steps=1)
    assert conditions(store) == {"run-1": RunCondition.OK}


def _sizes(folder: Path) -> list[int]:
    """Of the newest files; [] when one was just renamed."""
    try:
        return [path.stat().st_size for path in folder.iterdir()]
    except FileNotFoundError:
        return []


def test_a_file_of_a_killed_process_is_named_and_is_no_fault(tmp_path: Path) -> None:
    """Its attempt has no record, or another one on the worker's disk."""
    store = AuditStore(url=str(tmp_path))
    write_run(store)
    (tmp_path / "demo" / "run-1" / ".step-4.worker-1.1.json.99-0.new").write_text('{"step')
    (found,) = verified(store)
    assert (found.condition, found.unfinished) == (RunCondition.OK, ("demo/run-1/.step-4.worker-1.1.json.99-0.new",))


def test_options_of_the_storage_are_secret() -> None:
    """The block does not show the keys for a bucket."""
    store = AuditStore(url="memory://audit", options={"secret": "canary"})
    assert "canary" not in repr(store)


@pytest.mark.parametrize("url", ["nosuchprotocol://x", "simplecache::nosuchprotocol://x"])
def test_a_url_that_no_package_knows_is_found_without_a_connection(url: str) -> None:
    """It is a fault of the environment, and not of a moment."""
    with pytest.raises(EnvironmentFault):
        AuditStore(url=url).require_file_system()
    for good in ("/srv/audit", "~/audit", "file:///srv/audit", "memory://x", "http://127.0.0.1:9/x", "simplecache::memory://x"):
        AuditStore(url=good).require_file_system()
