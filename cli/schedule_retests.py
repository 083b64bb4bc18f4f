"""`sixstack schedule-retests [CLUSTER...]`: create, enable, list and remove schedules of retest-clusters/default."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from cli.retest import add_parts, parts_of
from cli.schedules import ScheduledDeployment, add_schedule_arguments, cluster_problems, name_problems, run_schedules
from cluster.vocabulary.problems import Problem


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add = parser.add_argument
    add(
        "clusters",
        metavar="CLUSTER",
        nargs="*",
        help="names of saved clusters; without names, every run retests all saved clusters whose file has `test_hosts: true`",
    )
    add("--name", default="nightly", help="name of the schedule, its slug in Prefect (default: nightly)")
    add("--keep-passed", action="store_true", help="the runs do not delete a cluster that passed")
    add("--keep-failed", action="store_true", help="the runs do not delete a cluster that failed; others on its hosts are then skipped")
    add_parts(parser)
    add_schedule_arguments(parser, cron="0 2 * * *", what="clusters")


def run(options: argparse.Namespace) -> int:
    """Create the schedule, inactive. 1 when another one has its name."""
    chosen = {"clusters": options.clusters, "keep_passed": options.keep_passed, "keep_failed": options.keep_failed}
    parameters = {name: value for name, value in chosen.items() if value} | parts_of(options)
    return run_schedules(_RETESTS, options, options.name, parameters, _problems(options))


def _describe(parameters: Mapping[str, Any]) -> str:
    clusters = ", ".join(parameters.get("clusters") or ["all clusters with `test_hosts: true`"])
    upgrade = f", with an upgrade from {parameters['upgrade_from']}" if parameters.get("upgrade_from") else ""
    return f"{clusters}{upgrade}{', with a restore' if parameters.get('restore_with') else ''}"


_RETESTS = ScheduledDeployment("schedule-retests", "retest-clusters/default", _describe)


def _problems(options: argparse.Namespace) -> Iterator[Problem]:
    yield from name_problems(options.name)
    yield from cluster_problems(options.clusters)
