"""`sixstack create CLUSTER [--only HOST...]`: check its file, start create-cluster/default, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_argument import add_cluster, add_only, as_parameter, read_spec
from cli.following import add_waiting, run_deployment, waiting


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("--no-verify", action="store_true", help="skip the network check")
    add_only(parser)
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster)
    if isinstance(spec, int):
        return spec
    parameters = {"cluster": as_parameter(options.cluster, spec), "verify": not options.no_verify, "only": options.only}
    return run_deployment("create-cluster/default", parameters, waiting(options))
