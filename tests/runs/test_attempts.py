"""What every step has around its own work: records of all attempts, retries only where they can help, secrets redacted."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from blocks.audit_store import AuditStore
from cluster.vocabulary.errors import HostError, HostUnreachable
from cluster.vocabulary.record_chain import RunCondition, verify_cluster
from cluster.vocabulary.records import StepRecord
from runs.attempts import record_attempt, step
from runs.cluster_run import run_context
from runs.context import RunContext
from tests.conftest import Workplace

pytestmark = pytest.mark.server


@step("flaky", "host", retries=2)
def flaky(host: str, run: RunContext) -> None:
    """Fails in a way that may pass, once."""
    with record_attempt("flaky", host, run, StepRecord) as attempt:
        attempt.secrets.add("canary-of-a-token")
        attempt.output = "joining with canary-of-a-token"
        if not (place := Path(f"tried-{host}")).exists():
            place.touch()
            raise HostUnreachable(host, "the connection was lost with canary-of-a-token")
        attempt.change("joined")


@step("hopeless", "host", retries=2)
def hopeless(host: str, run: RunContext) -> None:
    """Fails in a way that cannot pass."""
    with record_attempt("hopeless", host, run, StepRecord):
        raise HostError(host, "its disk is full", "make room")


def steps(audit: str) -> None:
    """A flow of both, with the audit store named `audit`."""

    @flow(name="two-steps")
    def two_steps() -> None:
        run = run_context({"name": "attempts", "audit": audit})
        flaky.submit("worker-1", run).wait()
        hopeless.submit("worker-2", run).wait()

    two_steps()


@pytest.fixture(scope="module")
def records(prefect_server: Workplace) -> list[dict[str, Any]]:
    """The records of one run of both steps, which runs in a process of its own."""
    prefect_server.save_blocks({"audit-store": {"attempts": {"url": "attempts"}}})
    done = prefect_server.python("-m", "tests.runs.test_attempts", "attempts")
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(path.read_text()) for path in sorted((prefect_server.prefect.root / "attempts").rglob("*.json"))]


def outcomes(records: list[dict[str, Any]], name: str) -> list[str]:
    """How the attempts of a step ended, in order."""
    return [record["outcome"] for record in records if record["step"] == name]


def test_a_retryable_error_is_retried_and_each_attempt_is_recorded(records: list[dict[str, Any]]) -> None:
    """The lost connection and the attempt that did it."""
    assert outcomes(records, "flaky") == ["failed", "changed"]
    assert [record["attempt"] for record in records if record["step"] == "flaky"] == [1, 2]


def test_other_errors_are_not_retried(records: list[dict[str, Any]]) -> None:
    """A full disk stays full."""
    assert outcomes(records, "hopeless") == ["failed"]
    (error,) = [record["error"] for record in records if record["step"] == "hopeless"]
    assert error == "worker-2: its disk is full. make room"


def test_the_end_of_the_run_closes_its_chain(prefect_server: Workplace, records: list[dict[str, Any]]) -> None:
    """The digest of the last record is an event of the run too, outside of the store."""
    chained = sorted(records, key=lambda record: int(record["chain"]["sequence"]))
    assert [record["chain"]["sequence"] for record in chained] == [1, 2, 3, 4]
    assert (chained[-1]["step"], chained[-1]["records"]) == ("end-run", 3)
    store = AuditStore(url=str(prefect_server.prefect.root / "attempts"))
    (run,) = verify_cluster("attempts", store.files("attempts"), store.last_runs("attempts"))
    assert run.condition is RunCondition.OK
    deadline = time.monotonic() + 60
    while not (heads := [event["payload"]["head"] for event in events(prefect_server) if event["payload"]["run"] == run.run]):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert heads == [f"sha256:{run.head}"]


def events(place: Workplace) -> list[dict[str, Any]]:
    """Events with the head of a run, which the server stores a little later."""
    return list(place.api("/events/filter", {"filter": {"event": {"name": ["sixstack.run.audit"]}}})["events"])


def test_secrets_of_an_attempt_are_not_in_its_record(records: list[dict[str, Any]]) -> None:
    """Neither in the output nor in the error."""
    assert "canary-of-a-token" not in json.dumps(records)
    assert "joining with" in json.dumps(records)


def test_secrets_of_an_attempt_are_not_in_prefects_database(prefect_server: Workplace, records: list[dict[str, Any]]) -> None:
    """Neither in a state's message nor in a log."""
    assert records
    database = b"".join(path.read_bytes() for path in (prefect_server.prefect.state / "prefect").glob("prefect.db*"))
    assert b"the connection was lost with" in database
    assert b"canary-of-a-token" not in database


if __name__ == "__main__":
    steps(sys.argv[1])
