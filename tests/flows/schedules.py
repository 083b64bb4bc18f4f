"""A schedule of retests every few seconds, whose runs the scheduler of the real server starts, one at a time as a test asks for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.conftest import Workplace

DEPLOYMENT = "retest-clusters/default"
INTERVAL = 20.0  # seconds


@dataclass
class Schedule:
    """An inactive schedule."""

    place: Workplace
    path: str  # of the schedule in the API
    parameters: dict[str, Any]

    def next_run(self, limit: float = 240) -> str:
        """The id of the next run that the scheduler starts; the schedule is active until then, and starts no second one."""
        seen = {run["id"] for run in self._runs()}
        self._set_active(active=True)
        deadline = time.monotonic() + limit
        while not (new := [run["id"] for run in self._runs() if run["id"] not in seen]):
            assert time.monotonic() < deadline, "the scheduler starts no run"
            time.sleep(1)
        self._set_active(active=False)
        return str(new[0])

    def _set_active(self, *, active: bool) -> None:
        # with the parameters: the server of Prefect 3.8.8 forgets them otherwise (cli/schedules.py)
        self.place.api(self.path, {"active": active, "parameters": self.parameters}, "PATCH")

    def _runs(self) -> list[dict[str, Any]]:
        """The runs of the deployment that have started."""
        wanted = {"deployments": {"name": {"any_": ["default"]}}, "flows": {"name": {"any_": ["retest-clusters"]}}}
        return list(self.place.api("/flow_runs/filter", {**wanted, "flow_runs": {"start_time": {"is_null_": False}}}))


@contextmanager
def every_few_seconds(place: Workplace, **parameters: Any) -> Iterator[Schedule]:
    """While inside, there is a schedule with these parameters."""
    schedules = f"/deployments/{place.api(f'/deployments/name/{DEPLOYMENT}')['id']}/schedules"
    (created,) = place.api(schedules, [{"schedule": {"interval": INTERVAL}, "active": False, "parameters": parameters}])
    path = f"{schedules}/{created['id']}"
    try:
        yield Schedule(place, path, parameters)
    finally:
        place.api(path, method="DELETE")
