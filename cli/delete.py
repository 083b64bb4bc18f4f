"""`sixstack delete FILE --confirm NAME`: start delete-cluster/default with a cluster file, follow the run."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("file", metavar="FILE", help="cluster file (YAML or JSON), or - for standard input")
    parser.add_argument("--confirm", metavar="NAME", required=True, help="the cluster's name: everything it holds will be gone")


def run(options: argparse.Namespace) -> int:
    """Exit code by the run's result."""
    from cli.check import read_or_explain
    from cli.following import run_deployment

    reading = read_or_explain(options.file)
    if isinstance(reading, int):
        return reading
    return run_deployment("delete-cluster/default", {"cluster": reading, "confirm": options.confirm})
