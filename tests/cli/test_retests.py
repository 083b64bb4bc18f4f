"""`sixstack retests` against a real server: a year of nights, an empty store, a store with damaged records."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from cli.main import main
from cluster.retests.records import RetestRecord, RetestResult, RetestStart
from demo.local_prefect import SIXSTACK
from tests.cluster.retests.records_of_nights import CLUSTERS, FIRST_NIGHT, night_start, retest
from tests.conftest import Workplace

NIGHTS = 365  # with four clusters each: 1,460 rows
MOST = 2.0  # times the processor time of the command with an empty store


@dataclass
class Store:
    """An audit store block of the server, with records."""

    place: Workplace
    name: str
    folder: Path

    def retests(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `sixstack retests` with this store."""
        return self.place.sixstack("retests", "--store", self.name, *arguments)

    def rows(self, *arguments: str) -> list[dict[str, object]]:
        """The rows that it prints as JSON."""
        done = self.retests("--output", "json", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return list(json.loads(done.stdout))


def store_of(place: Workplace, name: str, records: Iterable[RetestStart | RetestRecord]) -> Store:
    """A store with these records, at the paths where AuditStore.write puts them."""
    folder = place.prefect.root / name
    for record in records:
        path = folder / record.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json(indent=1), encoding="utf-8")
    place.save_blocks({"audit-store": {name: {"url": str(folder)}}})
    return Store(place, name, folder)


@pytest.fixture(scope="module")
def year(prefect_server: Workplace) -> Store:
    """A store with 1,460 rows; in the last night, one cluster failed with a new version and one was not finished."""
    nights = range(NIGHTS)
    records = [retest(night, cluster) for night in nights for cluster in CLUSTERS]
    records[-4:-2] = [retest(NIGHTS - 1, "v4", RetestResult.FAILED, versions={"kubernetes": "1.37.0", "flannel": "0.27.4"})]
    return store_of(prefect_server, "year", [*map(night_start, nights), *records])


@pytest.fixture(scope="module")
def empty(prefect_server: Workplace) -> Store:
    """A store without a folder."""
    return store_of(prefect_server, "empty", [])


@pytest.mark.server
def test_json_has_a_row_for_each_night_and_cluster_oldest_first(year: Store) -> None:
    """With the results, also of what was not finished."""
    rows = year.rows()
    assert len(rows) == 1460
    assert [rows[0]["start"], rows[-1]["start"]] == [
        (FIRST_NIGHT + timedelta(days=night, minutes=minutes)).isoformat() for night, minutes in ((0, 1), (NIGHTS - 1, 31))
    ]
    assert sorted((row["cluster"], row["result"]) for row in rows[-4:]) == [
        ("dual", "not-finished"),
        ("dual-v6", "passed"),
        ("v4", "failed"),
        ("v6", "passed"),
    ]


@pytest.mark.server
def test_a_cluster_and_a_number_of_nights_can_be_chosen(year: Store) -> None:
    """The newest nights of this cluster."""
    assert [(row["cluster"], row["flow_run"]) for row in year.rows("--cluster", "v6", "--last", "2")] == [
        ("v6", "run-363"),
        ("v6", "run-364"),
    ]
    assert len(year.rows("--last", "3")) == 3 * len(CLUSTERS)


@pytest.mark.server
def test_the_table_ends_with_the_newest_night_and_the_state_of_each_cluster(year: Store) -> None:
    """The last good run is that of all nights, also when fewer are shown."""
    done = year.retests("--last", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    table, *states = done.stdout.split("\n\n")
    assert len(table.splitlines()) == 1 + len(CLUSTERS)
    assert "verify-network/cluster" in table
    v4 = next(state for state in states if state.startswith("v4"))
    assert "run-363" in v4
    assert "kubernetes: 1.36.3 -> 1.37.0" in v4


@pytest.mark.server
def test_a_year_of_nights_takes_little_longer_than_none(year: Store, empty: Store) -> None:
    """In processor time, which includes the start of Python: on a busy machine, a command waits for its turn, and each machine has its own seconds."""
    none = min(processor_seconds(empty, "text", ends=1) for _ in range(2))
    for output in ("text", "json"):
        assert min(processor_seconds(year, output, ends=0) for _ in range(2)) < MOST * none, output


def processor_seconds(store: Store, output: str, *, ends: int) -> float:
    """The processor time of the command, which ends with this exit code."""
    command, prefect = [*SIXSTACK, "retests", "--store", store.name, "--output", output], store.place.prefect
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, cwd=prefect.root, env=prefect.environment(), stdout=silent, stderr=silent)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == ends
    return usage.ru_utime + usage.ru_stime


@pytest.mark.server
@pytest.mark.parametrize("arguments", [[], ["--output", "json"], ["--last", "1"]], ids=" ".join)
def test_an_empty_history_is_1(empty: Store, arguments: list[str]) -> None:
    """The message names the command that runs a retest."""
    done = empty.retests(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "sixstack retest CLUSTER" in done.stderr


@pytest.mark.server
def test_a_cluster_without_a_retest_is_1(year: Store) -> None:
    """The message names the cluster; with --output json, the list is empty."""
    done = year.retests("--cluster", "nobody", "--output", "json")
    assert (done.returncode, json.loads(done.stdout)) == (1, [])
    assert "nobody" in done.stderr


@pytest.mark.server
def test_damaged_records_are_reported_and_the_others_shown(prefect_server: Workplace) -> None:
    """A torn document, one of a later version, and one that is not text."""
    store = store_of(prefect_server, f"damaged-{uuid4()}", [retest(0), retest(1)])
    run = store.folder / "retests" / "run-1"
    torn = (run / "retest-cluster.v4.1.json").read_bytes()
    (run / "retest-cluster.v6.1.json").write_bytes(torn[:-100])
    (run / "retest-cluster.dual.1.json").write_bytes(torn.replace(b'"passed"', b'"postponed"'))
    (run / "retest-cluster.dual-v6.1.json").write_bytes(b"\xff\xfe")
    assert len(store.rows()) == 2
    done = store.retests()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 records" in done.stderr


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_a_wrong_number_of_nights_is_2(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Found before any server is looked for."""
    with pytest.raises(SystemExit) as ended:
        main(["retests", f"--last={number}"])
    assert ended.value.code == 2
    assert "--last" in capsys.readouterr().err
