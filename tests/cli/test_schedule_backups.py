"""Schedules of backups: one for each cluster, inactive until it is enabled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.exit_codes import PROBLEMS, SUCCESS
from cli.main import main
from tests.conftest import Workplace

DEPLOYMENT = "backup-cluster/default"
RARELY = "0 0 1 1 *"  # no run begins during the tests


def test_every_fault_is_reported_before_a_server_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Cluster, name, cron expression and time zone in one answer; also a missing cluster."""
    assert main(["schedule-backups", "Demo", "--name", "Every Night", "--cron", "0 25 * * *", "--timezone", "Europe/Berln"]) == PROBLEMS
    told = capsys.readouterr().err
    assert all(value in told for value in ("CLUSTER 1: 'Demo'", "--name: 'Every Night'", "--cron: '0 25", "--timezone: 'Europe/Berln'"))
    assert main(["schedule-backups"]) == PROBLEMS
    assert "CLUSTER" in capsys.readouterr().err


def schedules(place: Workplace) -> dict[str, dict[str, Any]]:
    """The schedules of the deployment by name."""
    return {found["slug"]: found for found in place.api(f"/deployments/name/{DEPLOYMENT}")["schedules"]}


@pytest.mark.server
def test_a_schedule_is_inactive_and_named_after_its_cluster(prefect_server: Workplace) -> None:
    """A cluster that is not saved yet is reported."""
    done = prefect_server.sixstack("schedule-backups", "demo", "--cron", RARELY)
    assert done.returncode == SUCCESS, done.stdout + done.stderr
    assert "sixstack schedule-backups --enable demo" in done.stdout
    assert "no cluster `demo` is saved" in done.stderr
    try:
        made = schedules(prefect_server)["demo"]
        assert (made["active"], made["parameters"], made["schedule"]["cron"]) == (False, {"cluster": "demo"}, RARELY)
        (row,) = json.loads(prefect_server.sixstack("schedule-backups", "--list", "--output", "json").stdout)
        kept = ("name", "cron", "timezone", "active", "parameters", "next_run")
        assert tuple(row[key] for key in kept) == ("demo", RARELY, "UTC", False, {"cluster": "demo"}, None)
    finally:
        assert prefect_server.sixstack("schedule-backups", "--remove", "demo").returncode == SUCCESS
    assert schedules(prefect_server) == {}
