"""The audit trail of a real cluster: one record for each attempt, and nothing else is stored anywhere."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cluster.vocabulary.records import StepRecord
from tests.conftest import LAB, MODES, MadeCluster

pytestmark = [pytest.mark.lab, pytest.mark.server, pytest.mark.parametrize("made", MODES[:1], indirect=True, ids=str)]

FIELDS = set(StepRecord.model_fields)


def audit_folder(made: MadeCluster) -> Path:
    """Where the default audit store keeps its records."""
    return made.place.prefect.root / "audit"


def records(made: MadeCluster) -> list[dict[str, Any]]:
    """What `sixstack audit CLUSTER --output json` prints."""
    done = made.place.sixstack("audit", made.name, "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return list(json.loads(done.stdout))


def test_each_attempt_is_one_document_at_its_place(made: MadeCluster) -> None:
    """CLUSTER/FLOW_RUN/STEP.HOST.ATTEMPT.json holds the record of just that attempt."""
    documents = sorted(audit_folder(made).rglob("*.json"))
    assert documents
    for path in documents:
        record = json.loads(path.read_text(encoding="utf-8"))
        place = f"{record['cluster']}/{record['flow_run']}/{record['step']}.{record['host']}.{record['attempt']}.json"
        assert str(path.relative_to(audit_folder(made))) == place
        assert set(record) >= FIELDS
        assert datetime.fromisoformat(record["start"]) <= datetime.fromisoformat(record["end"])


def test_every_step_of_every_host_has_a_record(made: MadeCluster) -> None:
    """The run that made the cluster is in the records as a whole."""
    found = {(record["step"], record["host"]) for record in records(made) if record["flow_run"] == made.run}
    names = [host["name"] for host in made.document["hosts"]]
    wanted = {(step, name) for step in ("inspect-host", "prepare-host", "label-node", "wait-ready") for name in names}
    wanted |= {("join-worker", name) for name in names[1:]} | {("init-control-plane", names[0])}
    wanted |= {(step, "cluster") for step in ("validate", "plan", "install-cni", "publish-kubeconfig", "wait-dns", "verify-network")}
    assert found >= wanted


def test_a_script_is_recorded_by_its_digest_and_exit_code(made: MadeCluster) -> None:
    """What was run can be told for certain, and what it printed is kept."""
    found = records(made)
    for step in ("prepare-host", "init-control-plane", "join-worker"):
        (record, *_) = [one for one in found if one["step"] == step and one["flow_run"] == made.run]
        assert len(record["script_sha256"]) == 64
        assert record["exit_code"] == 0
        assert record["outcome"] == "changed"
        assert record["output"]


def test_failed_attempts_are_recorded_too(made: MadeCluster) -> None:
    """The plan of this cluster's hosts with one host that can't be logged in to: the failure and its reason are in the trail."""
    document = json.loads(json.dumps(made.document))
    document["hosts"][2]["ssh"]["credential"] = "nobody-made-this"
    done = made.place.sixstack("create", made.place.write("failing.yaml", document))
    assert done.returncode == 1, done.stdout + done.stderr
    failed = [record for record in records(made) if record["outcome"] == "failed"]
    assert {(record["step"], record["host"]) for record in failed} >= {("inspect-host", f"{LAB}-3"), ("plan", "cluster")}
    assert all(record["error"] for record in failed)
    assert any("nobody-made-this" in record["error"] for record in failed)


def test_the_chain_of_every_run_is_complete(made: MadeCluster) -> None:
    """`sixstack audit --verify`; no file is readable for others, and nothing else is in the folder than records and the heads of runs."""
    done = made.place.sixstack("audit", made.name, "--verify", "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    conditions = {run["run"]: run["condition"] for run in json.loads(done.stdout)}
    assert conditions[made.run] == "ok"
    assert "damaged" not in conditions.values()  # a run of another test may have been killed
    files = [path for path in audit_folder(made).rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.name for path in files if path.suffix != ".json"} == {"last-runs"}


def test_the_table_has_a_line_for_each_attempt(made: MadeCluster) -> None:
    """`sixstack audit` takes a run or a cluster; an unknown one is a problem (exit 1)."""
    table = made.place.sixstack("audit", made.run)
    assert table.returncode == 0, table.stderr
    head, *lines = table.stdout.splitlines()
    assert head.split() == ["START", "RUN", "STEP", "HOST", "ATTEMPT", "OUTCOME", "WHAT"]
    assert len(lines) == len([record for record in records(made) if record["flow_run"] == made.run])
    unknown = made.place.sixstack("audit", "no-such-cluster")
    assert unknown.returncode == 1
    assert "no record of no-such-cluster" in unknown.stderr


def test_the_network_checks_table_can_be_had_again(made: MadeCluster) -> None:
    """`sixstack audit CLUSTER --network` prints the newest check, with a verdict."""
    done = made.place.sixstack("audit", made.name, "--network")
    assert done.returncode == 0, done.stderr
    head, *lines = done.stdout.splitlines()
    assert "FAMILY" in head
    assert len(lines) > 3


def test_prefect_stores_no_result_and_no_pickle(made: MadeCluster) -> None:
    """No task has a stored result that could be read instead of running; all that Prefect stores by itself is a failed flow's error, as JSON."""
    home = made.place.prefect.state / "prefect"
    for path in (path for path in (home / "storage").rglob("*") if path.is_file()):
        assert set(json.loads(path.read_text(encoding="utf-8"))) >= {"message"}
    runs = made.place.api("/task_runs/filter", {"limit": 200, "sort": "EXPECTED_START_TIME_DESC"})
    assert runs
    states = [run["state"] for run in runs]
    assert {(state.get("data") or {}).get("type", "unpersisted") for state in states} == {"unpersisted"}


def test_the_run_shows_its_artifacts(made: MadeCluster) -> None:
    """Plan, progress, steps, nodes with every address, network check and summary belong to it, and not to its subflow. The summary links them."""
    artifacts = made.place.api("/artifacts/filter", {"flow_runs": {"id": {"any_": [made.run]}}})
    found = {artifact["key"]: artifact for artifact in artifacts}
    assert found.keys() == {f"{made.name}-{what}" for what in ("plan", "progress", "steps", "nodes", "network", "summary")}
    pages = ("plan", "steps", "nodes", "network")
    summary = found[f"{made.name}-summary"]["data"]
    assert [page for page in pages if f"/artifacts/artifact/{found[f'{made.name}-{page}']['id']})" not in summary] == []
    assert f"sixstack kubectl {made.name} -- get nodes" in summary
    steps = found[f"{made.name}-steps"]["data"]
    assert [host["name"] for host in made.document["hosts"] if f"  section {host['name']}\n" not in steps] == []
    assert "| join-worker |" in steps
    nodes = str(found[f"{made.name}-nodes"]["data"])
    for host in made.document["hosts"]:
        for address in host["addresses"]:
            assert address in nodes


def test_the_run_and_its_subflow_have_the_tag_of_the_cluster(made: MadeCluster) -> None:
    """The overview shows the run, not its subflow. The names tell which run is which."""
    runs = made.place.api("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [made.run]}}})
    assert [sorted(run["tags"]) for run in runs] == [[f"cluster:{made.name}", "subflow"]]
    assert runs[0]["name"].startswith(f"converge {made.name} ")
    assert f"cluster:{made.name}" in (run := made.place.api(f"/flow_runs/{made.run}"))["tags"]
    assert run["name"].startswith(f"create {made.name} ")
