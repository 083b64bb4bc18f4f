"""`sixstack check CLUSTER`: all problems of a cluster file, offline; with `--was OLD` the plan for a cluster made from OLD."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from cli import cluster_argument
from cli.exit_codes import PROBLEMS, SUCCESS

if TYPE_CHECKING:
    from cluster.file.reader import Reading
    from cluster.migration.comparison import Comparison


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `check`."""
    cluster_argument.add_cluster(parser)
    parser.add_argument(
        "--was",
        metavar="OLD",
        help="the file or saved cluster that the cluster was made from: print the steps of the change, or why it is refused",
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="text for people (default), or JSON")


def run(args: argparse.Namespace) -> int:
    """Print the problems of CLUSTER; 0 when it has no errors, or, with --was, when the old cluster can change to it."""
    reading = cluster_argument.read(args.cluster)
    if isinstance(reading, int):
        return reading
    if args.was is not None:
        was = cluster_argument.read(args.was, manifests=False)
        return was if isinstance(was, int) else _compare(args, was, reading)
    if args.output == "json":
        print(json.dumps({"problems": [problem.as_dict() for problem in reading.problems]}, indent=2))
    else:
        _print_reading(args.cluster, reading)
    return PROBLEMS if reading.spec is None else SUCCESS


def _print_reading(file: str, reading: Reading) -> None:
    if reading.problems:
        print(cluster_argument.problem_lines(reading.problems, reading.line))
    count = len(reading.problems)
    if reading.spec is None:
        print(f"{file}: {count} problem{'s' if count > 1 else ''}")
    else:
        spec = reading.spec
        families = " and ".join(spec.families)
        print(f"{file}: OK: cluster {spec.name}, Kubernetes {spec.version}, {families}, {len(spec.hosts)} hosts")


def _compare(args: argparse.Namespace, was: Reading, reading: Reading) -> int:
    """Print the problems of both files, then the reasons against the change, or its plan."""
    from cluster.migration.comparison import compare

    comparison = compare(was.spec, reading.spec) if was.spec is not None and reading.spec is not None else None
    if args.output == "json":
        print(json.dumps(_as_document(was, reading, comparison), indent=2))
    else:
        _print_reading(args.was, was)
        _print_reading(args.cluster, reading)
        if comparison is not None:
            _print_comparison(comparison)
    return PROBLEMS if comparison is None or comparison.plan is None else SUCCESS


def _print_comparison(comparison: Comparison) -> None:
    if comparison.problems:
        print(cluster_argument.problem_lines(comparison.problems))
    if comparison.migration is not None:
        print(comparison.migration)
    if comparison.plan is not None:
        print(comparison.plan.as_text())


def _as_document(was: Reading, reading: Reading, comparison: Comparison | None) -> dict[str, object]:
    """`problems` are those of CLUSTER and of the change. Other values are empty or null if unknown."""
    plan = comparison.plan.as_dict() if comparison is not None and comparison.plan is not None else {}
    return {
        "problems": [problem.as_dict() for problem in (*reading.problems, *(comparison.problems if comparison is not None else ()))],
        "was": {"problems": [problem.as_dict() for problem in was.problems]},
        "migration": comparison.migration.as_dict() if comparison is not None and comparison.migration is not None else None,
        "steps": plan.get("steps", []),
        "notes": plan.get("notes", []),
    }
