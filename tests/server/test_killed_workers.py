"""Two workers of one pool, one of them killed: with its flow's process, and without. With the automations of deployments/automations/killed-workers.yaml."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from server import processes
from server.folder import AUTOMATIONS, LOST, PREFECT_FILE
from server.services import arguments_of
from server.setup import Installation, Wishes, set_up
from tests.conftest import Workplace, say
from tests.server.conditions import wait

ROOT = Path(__file__).parents[2]
SHIPPED: list[dict[str, Any]] = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]
MARK, AGAIN = SHIPPED
HEARTBEAT = 30.0  # seconds, of every deployment


def test_the_automations_are_inactive_and_valid() -> None:
    """For Prefect. The second one waits for what the first one, `server up` and the worker's unit say."""
    from prefect.events.schemas.automations import AutomationCore

    assert [AutomationCore.model_validate(found).enabled for found in SHIPPED] == [False, False]
    assert MARK["actions"][0]["message"] == AGAIN["trigger"]["match"]["prefect.state-message"] == LOST


def test_a_run_sends_several_heartbeats_before_it_counts_as_killed() -> None:
    """Of every deployment: one that sent none would be marked while it works."""
    document = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
    pools = [deployment["work_pool"] for deployment in document["deployments"]]
    assert {pool["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] for pool in pools} == {f"{HEARTBEAT:.0f}"}
    assert MARK["trigger"]["within"] >= 4 * HEARTBEAT


@pytest.mark.server
def test_a_server_has_the_automations_inactive(prefect_server: Workplace) -> None:
    """One of each, as every `deploy` of the tests left it."""

    def held() -> dict[str, list[bool]]:
        found = prefect_server.api("/automations/filter", {})
        return {ours["name"]: [item["enabled"] for item in found if item["name"] == ours["name"]] for ours in SHIPPED}

    assert held() == {MARK["name"]: [False], AGAIN["name"]: [False]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """Server and worker of a user with an empty home, and a deployment of a flow that waits."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIXSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    place = Installation(tmp_path / "srv")
    try:
        set_up(place, Wishes(in_background=True), say)
        shipped = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
        waiting = {**shipped["deployments"][0], "entrypoint": "tests.server.waiting_flow.wait_for_file"}
        file = tmp_path / "prefect.yaml"
        file.write_text(yaml.safe_dump({**shipped, "deployments": [waiting]}), encoding="utf-8")
        place.python("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file))
        for automation in SHIPPED:
            place.python("prefect", "automation", "resume", automation["name"])
        yield place
    finally:
        for left in processes.flow_runs(place.api) if place.settings.file.exists() else []:
            processes.end(left)
        for name in ("worker", "server"):
            if (process := processes.find(place.root, arguments_of(name))) is not None:
                processes.end(process)


@pytest.fixture
def second_worker(place: Installation, tmp_path: Path) -> Iterator[Callable[[], psutil.Process]]:
    """Starts the worker of another machine."""
    started: list[psutil.Process] = []
    elsewhere = Installation(tmp_path / "second")

    def begin() -> psutil.Process:
        elsewhere.root.mkdir()
        elsewhere.settings.write_for(place.api, ":".join(place.settings.credential), home=elsewhere.home)
        worker = processes.spawn(
            elsewhere.root,
            processes.worker("second"),
            log=elsewhere.root / "worker.log",
            environment=elsewhere.environment() | {"TMPDIR": str(elsewhere.root)},
            is_private=True,
        )
        started.append(psutil.Process(worker.pid))
        return started[0]

    yield begin
    for worker in started:
        processes.end(worker)


@pytest.mark.server
@pytest.mark.long
def test_the_run_of_a_killed_worker_starts_again_on_the_other_one_and_a_flow_that_lives_goes_on(
    place: Installation, second_worker: Callable[[], psutil.Process], tmp_path: Path
) -> None:
    """The new run has the parameters of the killed one and takes its cluster over. The flow whose process lives completes, and is not started twice."""
    deployment = place.ask("GET", "/deployments/name/wait-for-file/default")["id"]

    def start(name: str, state: str = "SCHEDULED") -> tuple[str, dict[str, Any]]:
        parameters = {"cluster": {"name": name, "note": "<&'\" {{ 7 * 7 }}"}, "file": str(tmp_path / name)}
        run = place.ask("POST", f"/deployments/{deployment}/create_flow_run", {"parameters": parameters, "state": {"type": state}})
        return str(run["id"]), parameters

    def process_of(name: str, run: str) -> psutil.Process:
        file = tmp_path / f"{name}.{run}"
        wait(lambda: file.exists() and file.read_text(), 120)
        return psutil.Process(int(file.read_text()))

    def state(run: str) -> str:
        return str(place.ask("GET", f"/flow_runs/{run}")["state_type"])

    # one whose worker was killed before the flow began, and one whose heartbeats never arrive
    (tmp_path / "pending").touch()
    pending, _ = start("pending", "PENDING")
    silent, _ = start("silent", "PENDING")
    place.ask("POST", f"/flow_runs/{silent}/set_state", {"state": {"type": "RUNNING", "name": "Running"}, "force": True})
    dies, parameters = start("dies")
    lives, _ = start("lives")
    killed, survivor = process_of("dies", dies), process_of("lives", lives)
    worker = processes.find(place.root, arguments_of("worker"))
    assert worker is not None
    worker.kill()
    killed.kill()
    begin = time.monotonic()
    second = second_worker()

    wait(lambda: state(dies) == "CRASHED", 200)
    marked = time.monotonic() - begin
    assert place.ask("GET", f"/flow_runs/{dies}")["state"]["message"] == LOST
    runs = {"deployments": {"id": {"any_": [deployment]}}}

    def others(name: str) -> list[dict[str, Any]]:
        found = place.ask("POST", "/flow_runs/filter", runs)
        return [run for run in found if run["parameters"]["cluster"]["name"] == name and run["id"] not in {dies, lives, pending, silent}]

    (again,) = wait(lambda: others("dies"), 30)
    assert again["parameters"] == parameters
    taken = process_of("dies", again["id"])
    say(f"marked as Crashed after {marked:.0f} s, the new run holds the cluster after {time.monotonic() - begin:.0f} s")
    assert MARK["trigger"]["within"] - HEARTBEAT - 5 < marked < MARK["trigger"]["within"] + 20
    assert second in taken.parents()

    assert (survivor.is_running(), state(lives)) == (True, "RUNNING")
    for name in ("dies", "lives"):
        (tmp_path / name).touch()
    wait(lambda: {state(again["id"]), state(lives)} == {"COMPLETED"}, 60)
    wait(lambda: [state(run["id"]) for run in others("pending")] == ["COMPLETED"], 90)
    assert (state(pending), state(silent)) == ("CRASHED", "RUNNING")
    assert [len(others(name)) for name in ("dies", "lives", "silent")] == [1, 0, 0]
