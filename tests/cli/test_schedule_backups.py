"""Schedules of backups: one for each cluster, inactive until it is enabled."""

from __future__ import annotations

        (row,) = json.loads(prefect_server.sixstack("schedule-backups", "--list", "--output", "json").stdout)
        assert (row["name"], row["cron"], row["timezone"], row["active"], row["parameters"]) == (
            "demo",
            RARELY,
            "UTC",
            False,
            {"cluster": "demo"},
        )
        assert row["next_run"] is None
    finally:
        assert prefect_server.sixstack("schedule-backups", "--remove", "demo").returncode == SUCCESS
    assert schedules(prefect_server) == {}
