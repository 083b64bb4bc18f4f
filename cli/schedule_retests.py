"""`sixstack schedule-retests [CLUSTER...]`: create, enable, list and remove schedules of retest-clusters/default."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from cli.schedules import Schedules, add_schedule_arguments, problems_of_clusters


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        "clusters",
        metavar="CLUSTER",
        nargs="*",
        help="names of saved clusters; without names, every run retests all saved clusters whose file has `test_hosts: true`",
    )
    add_schedule_arguments(parser, cron="0 2 * * *", name="nightly", name_default="nightly")
    parser.add_argument("--keep-passed", action="store_true", help="the runs do not delete a cluster that passed")
    parser.add_argument(
        "--keep-failed", action="store_true", help="the runs do not delete a cluster that failed; others on its hosts are then skipped"
    )


def run(options: argparse.Namespace) -> int:
    """Create the schedule, inactive. 1 when another one has its name."""
    chosen = {"clusters": options.clusters, "keep_passed": options.keep_passed, "keep_failed": options.keep_failed}
    parameters = {name: value for name, value in chosen.items() if value}
    schedules = Schedules("retest-clusters/default", "schedule-retests", _describe, "retest-clusters")
    return schedules.run(options, parameters, problems_of_clusters(options.clusters))


def _describe(parameters: Mapping[str, Any]) -> str:
    return ", ".join(parameters.get("clusters") or ["all clusters with `test_hosts: true`"])
