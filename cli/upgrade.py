"""`sixstack upgrade CLUSTER [--max-unavailable N] [--limit SECONDS] [--force] [--without-copy]`: check its file, start upgrade-cluster/default, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.following import add_waiting, run_deployment, waiting
from cli.numbers import whole_number
from cluster.plan.drain import DRAIN_SECONDS
from cluster.vocabulary.parameters import MOST_SECONDS

MOST_WORKERS = 5000  # nodes of a cluster: https://kubernetes.io/docs/setup/best-practices/cluster-large/


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
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=whole_number(1, MOST_SECONDS),
        default=DRAIN_SECONDS,
        help=f"how long a node may take to drain; after that, it is schedulable again and keeps its version (default: {DRAIN_SECONDS})",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="delete pods without a controller, data in emptyDir volumes, and pods that a budget still protects at the end of --limit",
    )
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
