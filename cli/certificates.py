"""`sixstack certificates CLUSTER`: when each certificate expires, and what renews it; asks the hosts, changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cli.cluster_argument import add_cluster, problem_lines, read_spec
from cli.columns import print_columns
from cli.exit_codes import ENVIRONMENT, PROBLEMS, SUCCESS
from cli.numbers import whole_number
from cluster.vocabulary.parameters import MOST_DAYS

if TYPE_CHECKING:
    from cluster.facts.certificates import HostCertificates
    from cluster.vocabulary.problems import Problem
    from cluster.vocabulary.spec import ClusterSpec


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    add_within(parser)
    parser.add_argument("--output", choices=["text", "json"], default="text")


def add_within(parser: argparse.ArgumentParser) -> None:
    """The limit, in days."""
    parser.add_argument(
        "--within",
        metavar="DAYS",
        type=whole_number(0, MOST_DAYS),
        default=30,
        help="certificates that expire within so many days are due (default: 30)",
    )


def run(options: argparse.Namespace) -> int:
    """1 when a certificate is due or cannot be used, else 3 when a host could not be inspected."""
    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    from cli.required_server import require_server
    from cluster.plan.expiry import check_certificates

    require_server()
    found, uninspected = _inspect(spec)
    check = check_certificates(spec, found, datetime.now(UTC), timedelta(days=options.within))
    if options.output == "json":
        print(json.dumps({**check.as_dict(), "problems": [problem.as_dict() for problem in uninspected]}, indent=1))
    else:
        rows = [row.as_row() for row in check.rows]
        if rows:
            print_columns([tuple(name.upper() for name in rows[0]), *(tuple(row.values()) for row in rows)])
        print(f"{spec.name}: {check.verdict}")
        if uninspected:
            print(problem_lines(uninspected), file=sys.stderr)
    if check.due:
        return PROBLEMS
    return ENVIRONMENT if uninspected or not check.rows else SUCCESS


def _inspect(spec: ClusterSpec) -> tuple[dict[str, HostCertificates], tuple[Problem, ...]]:
    """The certificates of the hosts, and a problem for each host that could not be inspected."""
    from cli.inspection import inspect
    from hosts.facts import gather_certificates
    from runs.context import RunContext
    from runs.sessions import close_sessions, open_sessions

    context = RunContext(cluster=spec.name, id=f"certificates-{spec.name}", audit=spec.audit, bundle=spec.bundle)
    open_sessions(context)
    try:
        return inspect(spec.hosts, context, gather_certificates)
    finally:
        close_sessions(context)
