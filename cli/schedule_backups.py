"""`sixstack schedule-backups CLUSTER`: create, enable, list and remove schedules of backup-cluster/default, one for each cluster."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from cli.exit_codes import USAGE
from cli.schedules import Schedules, add_schedule_arguments, changes_existing, problems_of_clusters


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("cluster", metavar="CLUSTER", nargs="?", help="name of a saved cluster (`sixstack save FILE`)")
    add_schedule_arguments(parser, cron="0 1 * * *", name=None, name_default="the name of the cluster")


def run(options: argparse.Namespace) -> int:
    """Create the schedule, inactive. 1 when another one has its name."""
    if options.cluster is None and not changes_existing(options):
        print("sixstack: name a CLUSTER, or use --list, --enable, --disable or --remove", file=sys.stderr)
        return USAGE
    clusters = [options.cluster] if options.cluster is not None else []
    options.name = options.name or options.cluster
    schedules = Schedules("backup-cluster/default", "schedule-backups", _describe, "backup-cluster")
    return schedules.run(options, {"cluster": options.cluster}, problems_of_clusters(clusters))


def _describe(parameters: Mapping[str, Any]) -> str:
    return str(parameters.get("cluster") or "no cluster")
