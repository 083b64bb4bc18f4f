"""`sixstack remove CLUSTER HOST... [--dead] [--force] [--limit SECONDS]`: start remove-workers/default, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.following import add_waiting, run_deployment, waiting
from cli.numbers import whole_number
from cluster.plan.drain import DRAIN_SECONDS
from cluster.vocabulary.parameters import MOST_SECONDS


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("hosts", metavar="HOST", nargs="+", help="name of a worker; the file need not list it any more")
    parser.add_argument(
        "--dead",
        action="store_true",
        help="the machine does not answer: delete its node without it, and do not admit the node again if the machine returns",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="delete pods without a controller, data in emptyDir volumes, and pods that a budget still protects at the end of --limit",
    )
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=whole_number(0, MOST_SECONDS),
        default=DRAIN_SECONDS,
        help=f"how long a worker may take to drain; after that, its node is schedulable again (default: {DRAIN_SECONDS})",
    )
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    parameters = {
        "cluster": as_parameter(options.cluster, spec),
        "hosts": options.hosts,
        "dead": options.dead,
        "force": options.force,
        "drain_seconds": options.limit,
    }
    return run_deployment("remove-workers/default", parameters, waiting(options))
