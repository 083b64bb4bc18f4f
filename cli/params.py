"""`sixstack params CLUSTER`: a cluster file as the parameters of a deployment."""

from __future__ import annotations

import argparse
import json

from cli import cluster_argument
from cli.exit_codes import SUCCESS


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `params`."""
    cluster_argument.add_cluster(parser)


def run(args: argparse.Namespace) -> int:
    """Print `{"cluster": DOCUMENT}` for `prefect deployment run --params -`; 1 and the problems on standard error when there are errors."""
    spec = cluster_argument.read_spec(args.cluster)  # problems go to standard error: standard output is a pipe into prefect
    if isinstance(spec, int):
        return spec
    print(json.dumps({"cluster": cluster_argument.as_parameter(args.cluster, spec)}))
    return SUCCESS
