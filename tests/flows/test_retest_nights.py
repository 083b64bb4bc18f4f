"""Three scheduled nights of every stack mode on the same three hosts: one killed in the middle, one good, one with a dropped family."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from lab import hosts
from lab.spec import cluster_document
from tests.conftest import LAB, MODES, Mode, Workplace
from tests.flows.conftest import BareHosts
from tests.flows.schedules import every_few_seconds
from tests.flows.test_retests import NO_IPV6_OF_PODS
from tests.lab import faults
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.bundle, pytest.mark.server, pytest.mark.long]


def name_of(mode: Mode) -> str:
    """The name of the saved cluster of a stack mode."""
    return f"night-{mode}"


NAMES = [name_of(mode) for mode in MODES]


@pytest.fixture(scope="module")
def place(bare: BareHosts) -> Iterator[Workplace]:
    """A saved cluster of each stack mode on three marked hosts, which are as before at the end."""
    before = bare.look()
    for mode in MODES:
        document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), mode.stack, mode.primary)
        file = bare.place.write("night.yaml", {**document, "name": name_of(mode), "test_hosts": True})
        assert bare.place.sixstack("save", file, "--overwrite").returncode == 0
    assert bare.place.sixstack("mark-test-hosts", NAMES[0], "--confirm", NAMES[0]).returncode == 0
    yield bare.place
    assert bare.place.sixstack("mark-test-hosts", NAMES[0], "--confirm", NAMES[0], "--undo").returncode == 0
    assert changes(before, bare.look()) == []


def rows(place: Workplace, run: str) -> dict[str, dict[str, Any]]:
    """The history of one night by cluster."""
    found = json.loads(place.sixstack("retests", "--output", "json").stdout)
    return {str(row["cluster"]): row for row in found if row["flow_run"] == run}


def kill_while_creating(place: Workplace, run: str, cluster: str, limit: float = 600) -> None:
    """Kill the process of a retest run while it creates a cluster."""
    deadline = time.monotonic() + limit
    wanted = {"flow_runs": {"name": {"like_": f"create {cluster} "}, "state": {"type": {"any_": ["RUNNING"]}}}}
    while not place.api("/flow_runs/filter", wanted):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    (process,) = (found for found in psutil.process_iter(["cmdline", "environ"]) if _runs(found, run))
    process.kill()


def _runs(process: psutil.Process, run: str) -> bool:
    return "prefect.engine" in (process.info["cmdline"] or []) and run in (process.info["environ"] or {}).get("PREFECT__FLOW_RUN_ID", "")


@pytest.mark.timeout(3600)
def test_three_scheduled_nights_of_every_stack_mode(place: Workplace, bare: BareHosts) -> None:
    """The night after the killed one waits for its slot, says so, and finds and deletes the half-made cluster; a dropped family fails the modes that have it."""
    with every_few_seconds(place, clusters=NAMES) as schedule:
        killed = schedule.next_run()
        kill_while_creating(place, killed, NAMES[1])
        good = schedule.next_run()
        assert place.ended(killed)["state"]["type"] == "CRASHED"
        ended = place.ended(good, limit=1500)
        assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
        with faults.firewall(bare.machine(2), NO_IPV6_OF_PODS, hook="forward"):
            faulty = schedule.next_run()
            assert place.ended(faulty, limit=1500)["state"]["type"] == "FAILED"
    results = {name: row["result"] for name, row in rows(place, killed).items()}
    assert results == {NAMES[0]: "passed", **dict.fromkeys(NAMES[1:], "not-finished")}
    assert {name: row["result"] for name, row in rows(place, good).items()} == dict.fromkeys(NAMES, "passed")
    found = {name: (row["result"], row["failed_step"]) for name, row in rows(place, faulty).items()}
    with_ipv6 = [name_of(mode) for mode in MODES if str(mode) != "ipv4"]
    assert found == {"night-ipv4": ("passed", ""), **dict.fromkeys(with_ipv6, ("failed", "verify-network/cluster"))}
    said = [log["message"] for log in place.api("/logs/filter", {"logs": {"flow_run_id": {"any_": [good]}}, "limit": 200})]
    assert [line for line in said if line.startswith("waiting up to") and killed in line]


def test_clusters_on_different_machines_are_retested_at_the_same_time(place: Workplace) -> None:
    """Two clusters of one machine each: both are created before one of them is deleted."""
    names = []
    for number, mode in enumerate(MODES[:2]):
        document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), mode.stack, mode.primary)
        host = {**document["hosts"][number], "role": "control-plane", "taints": []}
        names.append(f"alone-{number}")
        file = place.write("alone.yaml", {**document, "hosts": [host], "name": names[-1], "test_hosts": True})
        assert place.sixstack("save", file, "--overwrite").returncode == 0
    run = place.start("retest-clusters/default", {"clusters": names})
    assert place.ended(run, limit=600)["state"]["type"] == "COMPLETED"
    first, second = (rows(place, run)[name] for name in names)
    created = [place.api(f"/flow_runs/{row['phase_flow_runs']['create']}") for row in (first, second)]
    assert created[0]["start_time"] < created[1]["end_time"]
    assert created[1]["start_time"] < created[0]["end_time"]
