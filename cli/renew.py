"""`sixstack renew CLUSTER [--within DAYS] [--all]`: start renew-certificates/default, follow the run."""

from __future__ import annotations

import argparse

from cli.certificates import add_within
from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.following import add_waiting, run_deployment, waiting


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    add_within(parser)
    parser.add_argument("--all", action="store_true", help="also renew certificates that are fresh")
    parser.add_argument(
        "--without-copy",
        action="store_true",
        help="do not save etcd's data and PKI; otherwise an encrypted copy goes to the Backup store block before private keys are replaced",
    )
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    parameters = {
        "cluster": as_parameter(options.cluster, spec),
        "within_days": options.within,
        "everything": options.all,
        "without_copy": options.without_copy,
    }
    return run_deployment("renew-certificates/default", parameters, waiting(options))
