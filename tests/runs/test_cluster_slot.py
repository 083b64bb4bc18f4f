"""The slot of a cluster, on a real server: one run at a time, and a run that is known to have ended holds nobody up."""

from __future__ import annotations

import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import Workplace

pytestmark = pytest.mark.server

SCRIPT = Path(__file__).with_name("take_slot.py")
SOON = 5.0  # seconds


def start(place: Workplace, cluster: str, what: str) -> subprocess.Popen[str]:
    """Start the script in a process."""
    return place.popen(str(SCRIPT), cluster, what, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def killed_holder(place: Workplace, cluster: str) -> str:
    """The id of a run that took the slot and was killed; the server does not know of its end yet."""
    holder = start(place, cluster, "hold")
    output, _ = holder.communicate(timeout=120)
    assert holder.returncode == 9, output
    return next(line for line in output.splitlines() if len(line) == 36)


def times(process: subprocess.Popen[str]) -> tuple[float, float]:
    """When a process had the slot."""
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    begin, end = next(
        line for line in output.splitlines() if line.count(".") == 2 and " " in line and line[0].isdigit() and "|" not in line
    ).split()
    return float(begin), float(end)


def crashed(place: Workplace, run: str) -> float:
    """Tell the server, as a worker does; the time."""
    place.api(f"/flow_runs/{run}/set_state", {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True})
    return time.monotonic()


def waits(place: Workplace, cluster: str, count: int, limit: float = 120) -> None:
    """Wait until so many runs on the cluster wait for the slot."""
    deadline = time.monotonic() + limit
    while len(place.api("/flow_runs/filter", {"flow_runs": {"tags": {"all_": [f"cluster:{cluster}"]}}})) < count + 1:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_crashed_run_is_taken_over_within_seconds_by_one_run_at_a_time(prefect_server: Workplace) -> None:
    """Three runs wait for a slot whose holder was killed: once the server knows, they have it one after another."""
    holder = killed_holder(prefect_server, "crashed")
    waiting = [start(prefect_server, "crashed", "take") for _ in range(3)]
    waits(prefect_server, "crashed", 3)
    known = crashed(prefect_server, holder)
    held = sorted(times(process) for process in waiting)
    assert held[0][0] > known - 1
    assert held[0][0] - known < SOON
    for (_, end), (begin, _) in pairwise(held):
        assert end <= begin


def test_a_run_that_is_retried_does_not_wait_for_itself(prefect_server: Workplace) -> None:
    """Its first attempt crashed while it held the slot; nothing else could release it."""
    holder = killed_holder(prefect_server, "retried")
    label = prefect_server.api(f"/flow_runs/{holder}")["labels"]["sixstack.lease"]
    assert label
    other = start(prefect_server, "retried", "take")
    waits(prefect_server, "retried", 1)
    # as the second attempt of the holder does: the label is on its own run
    code = f"""
from uuid import UUID
from prefect.client.orchestration import get_client
from runs.cluster_slot import _Slot
from runs.context import RunContext
with get_client(sync_client=True) as client:
    _Slot(client, RunContext("retried", "{holder}", "default", "default"))
"""
    second = prefect_server.python("-c", code)
    assert second.returncode == 0, second.stderr
    assert prefect_server.api(f"/flow_runs/{holder}")["labels"]["sixstack.lease"] == ""
    assert times(other)
