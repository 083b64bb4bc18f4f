"""`sixstack clusters`: every known cluster with its nodes, last run, last network check, next expiry, drift and last backup."""

from __future__ import annotations

import argparse
import json
import sys

from cli.columns import print_columns
from cli.exit_codes import SUCCESS
from cli.programs import runnable
from cli.required_server import require_server


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("--output", choices=["text", "json"], default="text")


def run(options: argparse.Namespace) -> int:
    """A table, or a JSON list."""
    require_server()
    from runs.overview import known_clusters

    rows = [cluster.as_dict() for cluster in known_clusters()]
    if options.output == "json":
        print(json.dumps([{name.replace(" ", "_"): value for name, value in row.items()} for row in rows], indent=1))
    elif rows:
        print_columns([tuple(name.upper() for name in rows[0]), *(tuple(row.values()) for row in rows)])
    else:
        print(runnable("sixstack: no cluster is saved. To save one: sixstack save FILE"), file=sys.stderr)
    return SUCCESS
