"""`sixstack check FILE`: everything that is wrong with a cluster file, offline."""

from __future__ import annotations

import argparse
import json

from cli import cluster_file
from cli.exit_codes import GOOD, PROBLEMS


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `check`."""
    cluster_file.add_file(parser)
    parser.add_argument("--output", choices=("text", "json"), default="text", help="text for people (default), or JSON")


def run(args: argparse.Namespace) -> int:
    """Print the problems of FILE; 0 when a cluster can be made of it, warnings or not."""
    reading = cluster_file.read(args.file)
    if isinstance(reading, int):
        return reading
    if args.output == "json":
        print(json.dumps({"problems": [problem.as_dict() for problem in reading.problems]}, indent=2))
    else:
        if reading.problems:
            print(cluster_file.problem_lines(reading.problems, reading.line))
        count = len(reading.problems)
        if reading.spec is None:
            print(f"{args.file}: {count} problem{'s' if count > 1 else ''}")
        else:
            spec = reading.spec
            families = " and ".join(spec.families)
            print(f"{args.file}: good: cluster {spec.name}, Kubernetes {spec.version}, {families}, {len(spec.hosts)} hosts")
    return PROBLEMS if reading.spec is None else GOOD
