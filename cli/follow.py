"""`sixstack follow RUN`: print a line per step of a run that was started elsewhere; the exit code is its result."""

from __future__ import annotations

import argparse
import sys
from uuid import UUID

from cli.exit_codes import USAGE


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("run", metavar="RUN", help="id of a flow run of create-cluster or delete-cluster")


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    from cli.following import follow_run

    try:
        flow_run = UUID(options.run)
    except ValueError:
        print(f"sixstack: {options.run!r} is not the id of a flow run", file=sys.stderr)
        return USAGE
    return follow_run(flow_run)
