"""`sixstack create FILE`: check the file, start create-cluster/default with it, follow the run."""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("file", metavar="FILE", help="cluster file (YAML or JSON), or - for standard input")
    parser.add_argument("--no-verify", action="store_true", help="leave the network check out")


def run(options: argparse.Namespace) -> int:
    """Exit code by the run's result."""
    from cli.check import read_or_explain
    from cli.following import run_deployment

    reading = read_or_explain(options.file)
    if isinstance(reading, int):
        return reading
    return run_deployment("create-cluster/default", {"cluster": reading, "verify": not options.no_verify})
