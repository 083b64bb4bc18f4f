"""Schedules of the retests, on a real server: created inactive, and left alone by the restart of a worker."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cli.exit_codes import PROBLEMS, SUCCESS
from cli.main import main
from tests.conftest import Workplace, say

DEPLOYMENT = "retest-clusters/default"
TOKYO = ZoneInfo("Asia/Tokyo")
RARELY = "0 0 1 1 *"  # no run begins during the tests
PREFECT = ["-m", "prefect", "--no-prompt"]


def schedules(place: Workplace) -> list[dict[str, Any]]:
    """The schedules of the deployment, without times of changes."""
    kept = ("id", "slug", "active", "schedule", "parameters")
    found = place.api(f"/deployments/name/{DEPLOYMENT}")["schedules"]
    return sorted(({key: schedule[key] for key in kept} for schedule in found), key=lambda schedule: str(schedule["id"]))


def schedule(place: Workplace, name: str) -> dict[str, Any]:
    """The schedule of that name."""
    (found,) = [schedule for schedule in schedules(place) if schedule["slug"] == name]
    return found


def planned(place: Workplace, name: str) -> list[str]:
    """The names of the states of the runs that the schedule has planned."""
    runs = place.api("/flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"})
    return [run["state_name"] for run in runs if (run["created_by"] or {}).get("id") == schedule(place, name)["id"]]


def sixstack(place: Workplace, *arguments: str) -> str:
    """The output of the subcommand, which must succeed."""
    done = place.sixstack("schedule-retests", *arguments)
    assert done.returncode == SUCCESS, done.stdout + done.stderr
    return done.stdout


def prefect(place: Workplace, *arguments: str) -> None:
    """A command of Prefect, which must succeed."""
    done = place.python(*PREFECT, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_fault_is_reported_before_a_server_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """Cron expression, time zone, name and clusters in one answer."""
    wrong = ["--cron", "0 25 * * *", "--timezone", "Europe/Berln", "--name", "Every Night"]
    assert main(["schedule-retests", "ipv4", "IPv6", "ipv4", *wrong]) == PROBLEMS
    told = capsys.readouterr().err
    for path, value in [
        ("--cron", "0 25 * * *"),
        ("--timezone", "Europe/Berln"),
        ("--name", "Every Night"),
        ("CLUSTER 2", "IPv6"),
        ("CLUSTER 3", "ipv4"),
    ]:
        assert f"{path}: {value!r}" in told


@pytest.mark.parametrize("zone", ["", "UTC+1", "europe/berlin", "../etc/passwd"])
def test_a_time_zone_that_is_none_is_refused(zone: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Prefect accepts the empty one."""
    assert main(["schedule-retests", "--timezone", zone]) == PROBLEMS
    assert "--timezone" in capsys.readouterr().err


@pytest.mark.server
def test_the_demo_has_an_inactive_schedule_for_all_clusters(prefect_server: Workplace) -> None:
    """The schedule of `make demo` starts no run until it is enabled."""
    nightly = schedule(prefect_server, "nightly")
    assert (nightly["active"], nightly["parameters"]) == (False, {})
    assert (nightly["schedule"]["cron"], nightly["schedule"]["timezone"]) == ("0 2 * * *", "UTC")


@pytest.mark.server
class TestSchedules:
    """A schedule of two clusters, in another time zone."""

    ARGUMENTS = ("schedule-retests", "ipv4", "ipv6", "--name", "winter", "--cron", RARELY, "--timezone", "Asia/Tokyo")

    @pytest.fixture
    def place(self, prefect_server: Workplace) -> Iterator[Workplace]:
        """A server with the schedule, which is removed afterwards."""
        done = prefect_server.sixstack(*self.ARGUMENTS)
        assert done.returncode == SUCCESS, done.stdout + done.stderr
        assert "sixstack schedule-retests --enable winter" in done.stdout
        yield prefect_server
        assert prefect_server.sixstack("schedule-retests", "--remove", "winter").returncode == SUCCESS
        assert [found["slug"] for found in schedules(prefect_server)] == ["nightly"]

    def test_it_is_inactive_and_the_second_call_changes_nothing(self, place: Workplace) -> None:
        """With its clusters and its time zone."""
        before = schedule(place, "winter")
        assert before["active"] is False
        assert before["parameters"] == {"clusters": ["ipv4", "ipv6"]}
        assert (before["schedule"]["cron"], before["schedule"]["timezone"]) == (RARELY, "Asia/Tokyo")
        assert place.sixstack(*self.ARGUMENTS).returncode == SUCCESS
        assert schedule(place, "winter") == before

    def test_an_upgrade_and_a_restore_are_parameters_of_its_runs(self, place: Workplace) -> None:
        """Of the identity only the path, which is absolute: the worker runs in another folder."""
        parts = ("--upgrade-from", "k8s-1-35", "--restore-with", "identity.txt")
        created = sixstack(place, "ipv6", "--name", "weekly", "--cron", RARELY, *parts)
        try:
            assert "with an upgrade from k8s-1-35, with a restore" in created
            path = str(place.prefect.root / "identity.txt")
            assert schedule(place, "weekly")["parameters"] == {"clusters": ["ipv6"], "upgrade_from": "k8s-1-35", "restore_with": path}
        finally:
            sixstack(place, "--remove", "weekly")

    def test_enabling_and_disabling_keeps_the_clusters(self, place: Workplace) -> None:
        """And everything else."""
        before = schedule(place, "winter")
        sixstack(place, "--enable", "winter")
        assert schedule(place, "winter") == before | {"active": True}
        sixstack(place, "--disable", "winter")
        assert schedule(place, "winter") == before
        assert place.sixstack("schedule-retests", "--enable", "summer").returncode == PROBLEMS

    def test_prefects_own_command_enables_one_without_parameters(self, place: Workplace) -> None:
        """As printed; it loses nothing then."""
        created = sixstack(place, "--name", "all", "--cron", RARELY)
        try:
            resume = f"deployment schedule resume {DEPLOYMENT} {schedule(place, 'all')['id']}"
            assert f"prefect {resume}" in created
            prefect(place, *resume.split())
            assert schedule(place, "all")["active"] is True
        finally:
            sixstack(place, "--remove", "all")

    def test_prefects_own_command_removes_the_clusters(self, place: Workplace) -> None:
        """A fault of prefect 3.8.8, for which there is --enable: without it, remove --enable. --overwrite restores them."""
        prefect(place, "deployment", "schedule", "resume", DEPLOYMENT, schedule(place, "winter")["id"])
        assert schedule(place, "winter")["parameters"] == {}
        assert place.sixstack(*self.ARGUMENTS).returncode == PROBLEMS
        assert place.sixstack(*self.ARGUMENTS, "--overwrite").returncode == SUCCESS
        after = schedule(place, "winter")
        assert (after["active"], after["parameters"]) == (True, {"clusters": ["ipv4", "ipv6"]})

    def test_another_content_is_refused_until_it_is_confirmed(self, place: Workplace) -> None:
        """Exit 1, and nothing changes; with --overwrite the same schedule has the new content and stays enabled."""
        sixstack(place, "--enable", "winter")
        before = schedule(place, "winter")
        other = ("schedule-retests", "ipv6", "--name", "winter", "--cron", "30 3 1 1 *")
        refused = place.sixstack(*other)
        assert refused.returncode == PROBLEMS, refused.stdout + refused.stderr
        assert "--overwrite" in refused.stdout
        assert schedule(place, "winter") == before
        assert place.sixstack(*other, "--overwrite").returncode == SUCCESS
        after = schedule(place, "winter")
        assert (after["id"], after["active"], after["parameters"]) == (before["id"], True, {"clusters": ["ipv6"]})
        assert (after["schedule"]["cron"], after["schedule"]["timezone"]) == ("30 3 1 1 *", "UTC")

    def test_the_list_has_the_next_run_of_an_enabled_schedule(self, place: Workplace) -> None:
        """Prefect's scheduler has planned it, at the latest with its next loop, of 60 s; a restart of the worker keeps it."""
        sixstack(place, "--enable", "winter")
        deadline = time.monotonic() + 120
        while "Scheduled" not in planned(place, "winter"):
            assert time.monotonic() < deadline
            time.sleep(1)
        worker = place.prefect.process("worker")
        assert worker is not None
        worker.kill()
        worker.wait(10)
        place.prefect.start(say)
        assert set(planned(place, "winter")) == {"Scheduled"}
        listed = place.sixstack("schedule-retests", "--list")
        assert listed.returncode == SUCCESS, listed.stdout + listed.stderr
        rows = {line.split()[0]: line for line in listed.stdout.splitlines()}
        at = datetime.datetime(datetime.datetime.now(TOKYO).year + 1, 1, 1, tzinfo=TOKYO).astimezone()  # 0:00 on January 1 there
        assert f"{at:%Y-%m-%d %H:%M %Z}" in rows["winter"]
        assert "Asia/Tokyo" in rows["winter"]
        assert '{"clusters": ["ipv4", "ipv6"]}' in rows["winter"]
        assert " inactive " in rows["nightly"]
        found = {row["name"]: row for row in json.loads(sixstack(place, "--list", "--output", "json"))}
        assert datetime.datetime.fromisoformat(found["winter"]["next_run"]) == at
