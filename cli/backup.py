"""`sixstack backup CLUSTER`: start backup-cluster/default, follow the run."""

from __future__ import annotations

import argparse

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.following import add_waiting, run_deployment, waiting


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    return run_deployment("backup-cluster/default", {"cluster": as_parameter(options.cluster, spec)}, waiting(options))
