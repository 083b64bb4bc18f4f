"""A night whose retest also upgrades and restores the cluster, on real test hosts: created with the older release, verified with that of its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.retests.parts import UPGRADED_FROM
from cluster.vocabulary.releases import DEFAULT_RELEASE, RELEASES
from lab import hosts
from lab.build.bundle import build_bundle
from lab.spec import cluster_document
from tests.conftest import LAB, MODES, Workplace, run_id, say
from tests.flows.conftest import BareHosts
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.bundle, pytest.mark.server, pytest.mark.long, pytest.mark.timeout(1800)]

MODE = MODES[1]
NAME = f"both-{MODE}"
OLDER = RELEASES[RELEASES.index(DEFAULT_RELEASE) - 1]
BLOCK = "retest-older"


@pytest.fixture
def place(bare: BareHosts) -> Iterator[Workplace]:
    """The saved cluster on three marked hosts, which are as before at the end, and the bundle of the older release."""
    registered = bare.place.sixstack("bundle", "register", str(build_bundle(say, release=OLDER)), "--name", BLOCK, "--overwrite")
    assert registered.returncode == 0, registered.stdout + registered.stderr
    before = bare.look()
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), MODE.stack, MODE.primary)
    file = bare.place.write("both.yaml", {**document, "name": NAME, "test_hosts": True})
    assert bare.place.sixstack("save", file, "--overwrite").returncode == 0
    assert bare.place.sixstack("mark-test-hosts", NAME, "--confirm", NAME).returncode == 0
    yield bare.place
    assert bare.place.sixstack("mark-test-hosts", NAME, "--confirm", NAME, "--undo").returncode == 0
    assert changes(before, bare.look()) == []


def test_a_night_with_an_upgrade_and_a_restore(place: Workplace, tmp_path: Path) -> None:
    """Every part has its duration in the history. The identity is in no parameter, record or log: only its path is."""
    identity = tmp_path / "identity.txt"
    identity.write_bytes(place.prefect.identity.read_bytes())
    identity.chmod(0o600)
    done = place.sixstack("retest", NAME, "--upgrade-from", BLOCK, "--restore-with", str(identity), limit=1500)
    say(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    run = run_id(done.stdout)
    (row,) = (row for row in json.loads(place.sixstack("retests", "--output", "json").stdout) if row["flow_run"] == run)
    say(f"{MODE}: {row['seconds']:.0f} s: {row['phase_seconds']}")
    assert (row["result"], row["failed_phase"], row["failed_step"], row["kept"]) == ("passed", "", "", False)
    assert list(row["phase_seconds"]) == ["free-hosts", "create", "upgrade", "backup", "restore", "verify", "delete"]
    assert all(seconds > 0 for seconds in row["phase_seconds"].values())
    assert (row["versions"][UPGRADED_FROM], row["versions"]["kubernetes"]) == (f"v{OLDER.kubernetes}", f"v{DEFAULT_RELEASE.kubernetes}")
    assert "UPGRADE" in place.sixstack("retests").stdout
    runs = runs_of(place, run)
    upgraded, restored = (records(place, str(row["phase_flow_runs"][phase])) for phase in ("upgrade", "restore"))
    assert {record["host"] for record in upgraded if record["step"] == "upgrade-kubelet"} == {f"{LAB}-{number}" for number in (1, 2, 3)}
    assert [record["found"] for record in restored if record["step"] == "compare-workload"] == [
        "objects, addresses and content are as at the backup"
    ]
    (secret,) = [line for line in identity.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-1")]
    seen = [json.dumps(runs), done.stdout, *(json.dumps(records(place, found["id"])) for found in runs)]
    for found in runs:
        logs = {"logs": {"flow_run_id": {"any_": [found["id"]]}}, "limit": 200}
        seen.append(json.dumps(place.api("/logs/filter", logs)))
    assert not any(secret in text for text in seen)
    with_path = {found["name"].split()[0] for found in runs if str(identity) in json.dumps(found["parameters"])}
    assert with_path == {"retest", "restore"}


def runs_of(place: Workplace, run: str) -> list[dict[str, Any]]:
    """A retest run and those of its parts."""
    parts = place.api("/flow_runs/filter", {"flow_runs": {"name": {"like_": NAME}}, "limit": 200})
    return [place.api(f"/flow_runs/{run}"), *parts]


def records(place: Workplace, run: str) -> list[dict[str, Any]]:
    """The audit records of a run; none where no step ran."""
    done = place.sixstack("audit", run, "--output", "json")
    return list(json.loads(done.stdout)) if done.stdout.strip() else []
