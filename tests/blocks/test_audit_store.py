"""The audit store keeps every attempt and overwrites none, on any storage."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.audit_store import AuditStore
from cluster.vocabulary.records import Outcome, StepRecord


def record(step: str = "join-worker", host: str = "worker-1", run: str = "run-1", cluster: str = "demo") -> StepRecord:
    """A record of an attempt, without a number."""
    now = datetime.now(UTC)
    return StepRecord(cluster=cluster, host=host, step=step, flow_run=run, attempt=1, outcome=Outcome.CHANGED, start=now, end=now)


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> AuditStore:
    """A store in a folder, and one on another fsspec file system."""
    return AuditStore(url=str(tmp_path / "audit") if request.param == "folder" else f"memory://{uuid4()}/audit")


def test_each_attempt_gets_the_next_number(store: AuditStore) -> None:
    """Attempts are counted separately for each step and host."""
    assert [store.write(record()).attempt for _ in range(3)] == [1, 2, 3]
    assert store.write(record(host="worker-10")).attempt == 1
    assert store.write(record(run="run-2")).attempt == 1


def test_an_earlier_record_does_not_change(store: AuditStore) -> None:
    """Later records do not overwrite an earlier record."""
    first = store.write(record())
    store.write(record())
    assert next(store.records("run-1")) == json.loads(first.model_dump_json())


def test_records_are_found_by_run_and_by_cluster_oldest_first(store: AuditStore) -> None:
    """By the id of a run or the name of a cluster, without other records."""
    written = [store.write(record(step=step)) for step in ("validate", "plan", "prepare-host")]
    store.write(record(cluster="other", run="run-9"))
    assert [found["step"] for found in store.records("run-1")] == [one.step for one in written]
    assert [found["step"] for found in store.records("demo")] == [one.step for one in written]
    assert [found["cluster"] for found in store.records("run-9")] == ["other"]
    assert list(store.records("nothing")) == []


def test_documents_are_those_of_one_cluster_and_unreadable_ones_are_none(store: AuditStore) -> None:
    """Of all its runs; a document that a killed worker left half-written does not hide the others."""
    written = [store.write(record(run=run)) for run in ("run-1", "run-2")]
    store.write(record(cluster="other"))
    system, root = store._system()
    with system.open(f"{root}/demo/run-1/plan.cluster.1.json", "wb") as file:
        file.write(b'{"cluster": "demo", ')
    found = list(store.documents("demo"))
    assert (len(found), found.count(None)) == (3, 1)
    assert all(json.loads(one.model_dump_json()) in found for one in written)
    assert list(store.documents("nothing")) == []


def test_the_key_is_the_path_of_a_record(tmp_path: Path) -> None:
    """CLUSTER/FLOW_RUN/STEP.HOST.ATTEMPT.json below the folder."""
    AuditStore(url=str(tmp_path)).write(record())
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json")] == ["demo/run-1/join-worker.worker-1.1.json"]


def test_options_of_the_storage_are_secret() -> None:
    """The block does not show the keys for a bucket."""
    store = AuditStore(url="memory://audit", options={"secret": "canary"})
    assert "canary" not in repr(store)
