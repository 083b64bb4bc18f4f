"""`sixstack schedule-certificates CLUSTER`: create, enable, list and remove schedules of check-certificates/default."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from cli.certificates import add_within
from cli.schedules import ScheduledDeployment, add_schedule_arguments, cluster_problems, name_problems, run_schedules
from cluster.vocabulary.problems import Problem


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        "cluster", metavar="CLUSTER", nargs="?", default="", help="name of a saved cluster, whose certificates every run checks"
    )
    parser.add_argument("--name", default="", help="name of the schedule, its slug in Prefect (default: the name of the cluster)")
    add_within(parser)
    add_schedule_arguments(parser, cron="0 6 * * *", what="cluster")


def run(options: argparse.Namespace) -> int:
    """Create the schedule, inactive. 1 when another one has its name."""
    parameters = {"cluster": options.cluster, "within_days": options.within}
    return run_schedules(_CHECKS, options, options.name or options.cluster, parameters, _problems(options))


def _describe(parameters: Mapping[str, Any]) -> str:
    return f"{parameters.get('cluster', 'no cluster')}, {parameters.get('within_days', 30)} days before the expiry"


_CHECKS = ScheduledDeployment("schedule-certificates", "check-certificates/default", _describe, lambda parameters: [parameters["cluster"]])


def _problems(options: argparse.Namespace) -> Iterator[Problem]:
    if options.name:
        yield from name_problems(options.name)
    yield from cluster_problems([options.cluster])
