"""Schedules of the certificate check, on a real server: created inactive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cli.exit_codes import PROBLEMS, SUCCESS
from cli.main import main
from tests.conftest import Workplace

RARELY = "0 0 1 1 *"  # no run begins during the tests
ARGUMENTS = ("schedule-certificates", "dual", "--within", "45", "--cron", RARELY)


def schedules(place: Workplace) -> dict[str, dict[str, Any]]:
    """The schedules of the deployment, by name."""
    found = place.api("/deployments/name/check-certificates/default")["schedules"]
    return {one["slug"]: {key: one[key] for key in ("id", "active", "schedule", "parameters")} for one in found}


@pytest.mark.parametrize(
    ("arguments", "paths"),
    [
        ([], ["CLUSTER 1"]),
        (["./demo.yaml"], ["CLUSTER 1"]),
        (["demo", "--name", "Every Night", "--cron", "daily at six", "--timezone", "Mars"], ["--name", "--cron", "--timezone"]),
    ],
)
def test_every_fault_is_reported_before_a_server_is_asked(
    arguments: list[str], paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """One problem for each."""
    assert main(["schedule-certificates", *arguments]) == PROBLEMS
    told = capsys.readouterr().err
    assert f"nothing was scheduled ({len(paths)})" in told
    assert all(f"- {path}: " in told for path in paths)


@pytest.mark.server
class TestSchedule:
    """A schedule for one cluster, named after it."""

    @pytest.fixture
    def place(self, prefect_server: Workplace) -> Iterator[Workplace]:
        """A server with the schedule, which is removed afterwards."""
        done = prefect_server.sixstack(*ARGUMENTS)
        assert done.returncode == SUCCESS, done.stdout + done.stderr
        assert "sixstack schedule-certificates --enable dual" in done.stdout
        yield prefect_server
        assert prefect_server.sixstack("schedule-certificates", "--remove", "dual").returncode == SUCCESS
        assert schedules(prefect_server) == {}

    def test_it_is_inactive_and_a_second_call_changes_nothing(self, place: Workplace) -> None:
        """With its cluster and its limit."""
        made = schedules(place)["dual"]
        assert (made["active"], made["parameters"]) == (False, {"cluster": "dual", "within_days": 45})
        assert (made["schedule"]["cron"], made["schedule"]["timezone"]) == (RARELY, "UTC")
        assert place.sixstack(*ARGUMENTS).returncode == SUCCESS
        assert schedules(place)["dual"] == made
