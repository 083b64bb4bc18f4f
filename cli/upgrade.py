"""`sixstack upgrade CLUSTER`: check its file, start upgrade-cluster/default, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_argument import add_cluster, as_parameter, read_spec


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument(
        "--max-unavailable", type=int, default=1, metavar="N", help="workers that are upgraded at the same time (default 1)"
    )
    parser.add_argument(
        "--drain-seconds",
        type=int,
        default=300,
        metavar="S",
        help="time limit of each drain; a node that is not drained then stays as it is",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="delete pods without a controller or with local data too, and pods that a PodDisruptionBudget still protects at the limit",
    )
    parser.add_argument(
        "--without-copy",
        action="store_true",
        help="do not save etcd's data and PKI; otherwise an encrypted copy goes to the Backup store block, and its place is printed",
    )


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    from cli.following import run_deployment

    spec = read_spec(options.cluster)
    if isinstance(spec, int):
        return spec
    parameters = {
        "cluster": as_parameter(options.cluster, spec),
        "max_unavailable": options.max_unavailable,
        "drain_seconds": options.drain_seconds,
        "force": options.force,
        "without_copy": options.without_copy,
    }
    return run_deployment("upgrade-cluster/default", parameters)
