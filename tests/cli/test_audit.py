"""`sixstack audit` against a real server: damaged records do not hide the others, and --verify says what was changed."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from blocks.audit_store import AuditStore
from blocks.run_records import RunRecords
from cluster.vocabulary.errors import CannotApply
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.records import END_RUN, ClosingRecord, Outcome, StepRecord, encode_record
from tests.conftest import Workplace

pytestmark = pytest.mark.server


@dataclass
class Store:
    """An audit store block of the server, with two runs of cluster demo."""

    place: Workplace
    name: str
    folder: Path

    def audit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `sixstack audit` with this store."""
        return self.place.sixstack("audit", "--store", self.name, *arguments)


@pytest.fixture
def store(prefect_server: Workplace) -> Store:
    """Each test has its own."""
    name = f"audit-{uuid4()}"
    folder = prefect_server.prefect.root / name
    for run in ("run-1", "run-2"):
        records = RunRecords(AuditStore(url=str(folder)), "demo", run)
        for step in ("validate", "plan", END_RUN):
            records.append(_document(run, step))
    prefect_server.save_blocks({"audit-store": {name: {"url": str(folder)}}})
    return Store(prefect_server, name, folder)


def _document(run: str, step: str) -> dict[str, object]:
    now = datetime.now(UTC)
    error = str(CannotApply([Problem("leftovers", "hosts/b", "a file", "a hint")])) if step == "plan" else None
    return (ClosingRecord if step == END_RUN else StepRecord)(
        cluster="demo", host="cluster", step=step, flow_run=run, attempt=1, outcome=Outcome.FAILED, start=now, end=now, error=error
    ).model_dump(mode="json")


def test_one_torn_record_is_named_and_the_others_are_shown(store: Store) -> None:
    """As a table and as JSON."""
    torn = store.folder / "demo" / "run-1" / "validate.cluster.1.json"
    torn.write_bytes(torn.read_bytes()[:-40])
    table = store.audit("demo")
    assert table.returncode == 0, table.stderr
    assert len(table.stdout.splitlines()) == 1 + 5
    assert "demo/run-1/validate.cluster.1.json cannot be read: not JSON" in table.stderr
    assert len(json.loads(store.audit("demo", "--output", "json").stdout)) == 5


def test_an_error_of_several_lines_has_its_reason_in_the_table(store: Store) -> None:
    """Its first line alone ends with a colon."""
    (line,) = [line for line in store.audit("run-1").stdout.splitlines() if " plan " in line]
    assert f"{CannotApply.headline} (1): hosts/b"[:100] in line


def test_a_complete_chain_is_0(store: Store) -> None:
    """One line for each run of a cluster, or for one run."""
    done = store.audit("demo", "--verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split("; ")[:2] for line in done.stdout.splitlines()] == [[f"run-{number}: ok", "3 records"] for number in (1, 2)]
    assert len(store.audit("run-2", "--verify").stdout.splitlines()) == 1


def test_a_changed_record_is_4(store: Store) -> None:
    """Its path is named, and the other run is fine."""
    path = store.folder / "demo" / "run-1" / "plan.cluster.1.json"
    path.write_bytes(path.read_bytes().replace(b"a file", b"nothing"))
    (store.folder / "demo" / "run-2" / "validate.cluster.1.json").unlink()
    done = store.audit("demo", "--verify")
    assert done.returncode == 4, done.stdout + done.stderr
    assert [line.split(" (")[0].split(";")[0] for line in done.stdout.splitlines()] == [
        "run-1: changed demo/run-1/plan.cluster.1.json",
        "run-2: missing 1",
    ]
    documents = json.loads(store.audit("demo", "--verify", "--output", "json").stdout)
    assert [(run["condition"], run["faults"][0]["kind"]) for run in documents] == [("damaged", "changed"), ("damaged", "missing")]


def test_an_unknown_cluster_is_1(store: Store) -> None:
    """Without a line on standard output."""
    done = store.audit("nobody", "--verify")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no record of nobody" in done.stderr


def test_a_store_that_cannot_be_read_is_3(store: Store) -> None:
    """Nobody listens at its URL; without a traceback."""
    store.place.save_blocks({"audit-store": {store.name: {"url": "http://127.0.0.1:9/nothing"}}})
    for arguments in (["demo"], ["demo", "--verify"]):
        done = store.audit(*arguments)
        assert done.returncode == 3, done.stdout + done.stderr
        assert "http://127.0.0.1:9/nothing cannot be read" in done.stderr
        assert "Traceback" not in done.stderr


def test_records_that_wait_on_this_machine_are_delivered(store: Store) -> None:
    """Of a run that was killed while the store was away."""
    spool = store.place.prefect.state / "prefect" / "sixstack" / "audit-spool" / store.name / "demo" / "run-3"
    spool.mkdir(parents=True)
    for number, step in enumerate(("validate", END_RUN)):
        (spool / f"{number:020}-1-{number:06}.json").write_bytes(encode_record(_document("run-3", step)))
    done = store.audit("demo", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 audit records of run run-3 on demo were delivered late" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("run-3: ok; 2 records")
    assert not spool.exists()
