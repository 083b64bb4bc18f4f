"""`sixstack delete CLUSTER --confirm NAME [--without-copy]`: start delete-cluster/default, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.following import add_waiting, run_deployment, waiting


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("--confirm", metavar="NAME", required=True, help="the cluster's name; everything in the cluster is deleted")
    parser.add_argument(
        "--without-copy",
        action="store_true",
        help="do not save etcd's data and PKI; otherwise an encrypted copy goes to the Backup store block, and its place is printed",
    )
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    parameters = {"cluster": as_parameter(options.cluster, spec), "confirm": options.confirm, "without_copy": options.without_copy}
    return run_deployment("delete-cluster/default", parameters, waiting(options))
