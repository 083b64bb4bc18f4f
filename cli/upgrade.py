"""`sixstack upgrade CLUSTER [--max-unavailable N] [--limit SECONDS] [--force] [--without-copy]`: check its file, start upgrade-cluster/default, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.drain_options import add_drain_options
from cli.following import add_waiting, run_deployment, waiting
from cli.numbers import whole_number
from cluster.vocabulary.parameters import MOST_WORKERS


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument(
        "--max-unavailable",
        type=whole_number(1, MOST_WORKERS),
        default=1,
        metavar="N",
        help="workers that are upgraded at the same time (default 1)",
    )
    add_drain_options(parser, least=1, then="it is schedulable again and keeps its version")
    parser.add_argument(
        "--without-copy",
        action="store_true",
        help="do not save etcd's data and PKI; otherwise an encrypted copy goes to the Backup store block, and its place is printed",
    )
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster)
    if isinstance(spec, int):
        return spec
    parameters = {
        "cluster": as_parameter(options.cluster, spec),
        "max_unavailable": options.max_unavailable,
        "drain_seconds": options.limit,
        "force": options.force,
        "without_copy": options.without_copy,
    }
    return run_deployment("upgrade-cluster/default", parameters, waiting(options))
