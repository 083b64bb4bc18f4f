"""`sixstack schedule-backups CLUSTER`: create, enable, list and remove schedules of backup-cluster/default, one for each cluster."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from cli.schedules import ScheduledDeployment, add_schedule_arguments, cluster_problems, name_problems, run_schedules
from cluster.vocabulary.problems import Problem


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("cluster", metavar="CLUSTER", nargs="?", default="", help="name of a saved cluster (`sixstack save FILE`)")
    parser.add_argument("--name", default="", help="name of the schedule, its slug in Prefect (default: the name of the cluster)")
    add_schedule_arguments(parser, cron="0 1 * * *", what="cluster")


def run(options: argparse.Namespace) -> int:
    """Create the schedule, inactive. 1 when another one has its name."""
    return run_schedules(_BACKUPS, options, options.name or options.cluster, {"cluster": options.cluster}, _problems(options))


def _describe(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("cluster") or "no cluster")


_BACKUPS = ScheduledDeployment("schedule-backups", "backup-cluster/default", _describe, lambda parameters: [parameters["cluster"]])


def _problems(options: argparse.Namespace) -> Iterator[Problem]:
    if options.name:
        yield from name_problems(options.name)
    yield from cluster_problems([options.cluster])
