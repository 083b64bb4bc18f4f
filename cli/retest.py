"""`sixstack retest [CLUSTER...]`: start retest-clusters/default for saved clusters, follow the run."""

from __future__ import annotations

import argparse

from cli.following import add_waiting, run_deployment, waiting


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        "clusters", metavar="NAME", nargs="*", help="names of saved clusters; none: every saved cluster whose file has `test_hosts: true`"
    )
    parser.add_argument("--keep-passed", action="store_true", help="do not delete a cluster that passed")
    parser.add_argument(
        "--keep-failed", action="store_true", help="do not delete a cluster that failed; others on its hosts are then skipped"
    )
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    parameters = {"clusters": options.clusters, "keep_passed": options.keep_passed, "keep_failed": options.keep_failed}
    return run_deployment("retest-clusters/default", parameters, waiting(options))
