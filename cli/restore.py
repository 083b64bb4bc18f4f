"""`sixstack restore CLUSTER --identity FILE --confirm NAME [--copy NAME] [--without-copy]`: start restore-cluster/default, follow the run."""

from __future__ import annotations

import argparse
import os

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.confirmation import not_confirmed
from cli.exit_codes import USAGE
from cli.following import add_waiting, run_deployment, waiting
from cli.paths import from_home


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("--confirm", metavar="NAME", required=True, help="the cluster's name; what is newer than the copy is lost")
    parser.add_argument(
        "--identity",
        metavar="FILE",
        type=from_home,
        required=True,
        help="file with the private age identity, on the machine of the Prefect worker and only readable for its user (mode 0600)",
    )
    parser.add_argument(
        "--copy", metavar="NAME", help="name of the copy, from `sixstack backups CLUSTER`; default: the newest one with a snapshot"
    )
    parser.add_argument("--without-copy", action="store_true", help="do not save the present state of etcd and PKI first")
    parser.add_argument("--no-verify", action="store_true", help="skip the network check")
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster)
    if isinstance(spec, int):
        return spec
    if not_confirmed(options.confirm, spec.name):
        return USAGE
    parameters = {
        "cluster": as_parameter(options.cluster, spec),
        "confirm": options.confirm,
        # the path, never the content
        "identity": os.path.abspath(options.identity),
        "without_copy": options.without_copy,
        "verify": not options.no_verify,
        **({"copy": options.copy} if options.copy else {}),
    }
    return run_deployment("restore-cluster/default", parameters, waiting(options))
