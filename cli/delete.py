"""`sixstack delete FILE --confirm NAME`: start delete-cluster/default with a cluster file, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_file import add_file, as_parameter, read_spec


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_file(parser)
    parser.add_argument("--confirm", metavar="NAME", required=True, help="the cluster's name; everything in the cluster is deleted")


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    from cli.following import run_deployment

    spec = read_spec(options.file, manifests=False)
    if isinstance(spec, int):
        return spec
    return run_deployment("delete-cluster/default", {"cluster": as_parameter(spec), "confirm": options.confirm})
