"""Schedules of backups: one for each cluster, inactive until it is enabled, and left alone by later deploys."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.exit_codes import PROBLEMS, SUCCESS
from cli.main import main
from tests.conftest import Workplace

DEPLOYMENT = "backup-cluster/default"
FILE = Path(__file__).parents[2] / "deployments" / "prefect.yaml"
RARELY = "0 0 1 1 *"  # no run begins during the tests


def test_the_file_of_the_deployments_has_no_schedules_of_backups() -> None:
    """With the key, Prefect would replace those of the server."""
    (entry,) = [entry for entry in yaml.safe_load(FILE.read_text())["deployments"] if "backup_cluster" in entry["entrypoint"]]
    assert "schedules" not in entry


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
def test_a_schedule_is_inactive_until_it_is_enabled_and_survives_a_deploy(prefect_server: Workplace) -> None:
    """It is named after its cluster, which it keeps."""
    done = prefect_server.sixstack("schedule-backups", "demo", "--cron", RARELY)
    assert done.returncode == SUCCESS, done.stdout + done.stderr
    assert "sixstack schedule-backups --enable demo" in done.stdout
    assert "no cluster `demo` is saved" in done.stderr
    try:
        made = schedules(prefect_server)["demo"]
        assert (made["active"], made["parameters"], made["schedule"]["cron"]) == (False, {"cluster": "demo"}, RARELY)
        enabled = prefect_server.sixstack("schedule-backups", "--enable", "demo")
        assert enabled.returncode == SUCCESS, enabled.stdout + enabled.stderr
        deployed = prefect_server.run([sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(FILE)])
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        after = schedules(prefect_server)["demo"]
        assert (after["active"], after["parameters"]) == (True, {"cluster": "demo"})
        assert "demo" in prefect_server.sixstack("schedule-backups", "--list").stdout
        (row,) = json.loads(prefect_server.sixstack("schedule-backups", "--list", "--output", "json").stdout)
        assert (row["name"], row["cron"], row["timezone"], row["active"], row["parameters"]) == (
            "demo",
            RARELY,
            "UTC",
            True,
            {"cluster": "demo"},
        )
        assert row["next_run"] is None or datetime.fromisoformat(row["next_run"]).tzinfo is not None
    finally:
        assert prefect_server.sixstack("schedule-backups", "--remove", "demo").returncode == SUCCESS
    assert schedules(prefect_server) == {}
