"""Schedules of every deployment that has them, on a real server: a later deploy leaves them alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.exit_codes import SUCCESS
from tests.conftest import Workplace

FILE = Path(__file__).parents[2] / "deployments" / "prefect.yaml"
RARELY = "0 0 1 1 *"  # no run begins during the tests
PREFECT = ["-m", "prefect", "--no-prompt"]
# the subcommand, its deployment, and arguments of a schedule named `kept`
SCHEDULED = {
    "schedule-backups": ("backup-cluster/default", ["demo", "--name", "kept"]),
    "schedule-certificates": ("check-certificates/default", ["demo", "--name", "kept"]),
    "schedule-retests": ("retest-clusters/default", ["demo", "--name", "kept"]),
}


def schedules(place: Workplace, deployment: str) -> list[dict[str, Any]]:
    """The schedules of a deployment, without times of changes."""
    kept = ("id", "slug", "active", "schedule", "parameters")
    found = place.api(f"/deployments/name/{deployment}")["schedules"]
    return sorted(({key: schedule[key] for key in kept} for schedule in found), key=lambda schedule: str(schedule["id"]))


@pytest.mark.parametrize("entrypoint", ["backup_cluster", "check_certificates", "retest_clusters"])
def test_the_file_of_the_deployments_has_no_schedules(entrypoint: str) -> None:
    """With the key, even with an empty list on the first deploy, Prefect would replace those of the server."""
    (entry,) = [entry for entry in yaml.safe_load(FILE.read_text())["deployments"] if entrypoint in entry["entrypoint"]]
    assert "schedules" not in entry


@pytest.mark.server
def test_a_deploy_keeps_what_was_enabled_and_what_the_ui_made(prefect_server: Workplace) -> None:
    """Prefect 3.8.8 replaces the schedules of a deployment whose file has schedules; ours have none."""
    place = prefect_server

    def run(*command: str) -> str:
        done = place.python(*PREFECT, *command[1:]) if command[0] == "prefect" else place.sixstack(*command)
        assert done.returncode == SUCCESS, done.stdout + done.stderr
        return done.stdout

    for command, (_, arguments) in SCHEDULED.items():
        created = run(command, *arguments, "--cron", RARELY)
        assert f"sixstack {command} --enable kept" in created
    try:
        for command in ("schedule-backups", "schedule-certificates"):
            run(command, "--enable", "kept")
        deployment = place.api("/deployments/name/retest-clusters/default")["id"]
        of_the_ui = {"schedule": {"cron": RARELY, "timezone": "UTC", "day_or": True}, "active": True, "parameters": {"keep_failed": True}}
        (made,) = place.api(f"/deployments/{deployment}/schedules", [of_the_ui])
        before = {name: schedules(place, name) for name, _ in SCHEDULED.values()}
        active = [schedule["slug"] for found in before.values() for schedule in found if schedule["active"]]
        assert sorted(map(str, active)) == ["None", "kept", "kept"]
        run("prefect", "deploy", "--all", "--prefect-file", str(FILE))
        assert {name: schedules(place, name) for name, _ in SCHEDULED.values()} == before
        rows = run("schedule-certificates", "--list").splitlines()
        assert [row.split()[0] for row in rows if " active " in row] == ["kept"]
        place.api(f"/deployments/{deployment}/schedules/{made['id']}", method="DELETE")
    finally:
        place.prepare_runs()
        for command in SCHEDULED:
            run(command, "--remove", "kept")
