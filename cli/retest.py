"""`sixstack retest [CLUSTER...]`: start retest-clusters/default for saved clusters, follow the run."""

from __future__ import annotations

import argparse
import os
from typing import Any

from cli.block_names import block_name
from cli.following import add_waiting, run_deployment, waiting
from cli.paths import from_home


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        "clusters", metavar="NAME", nargs="*", help="names of saved clusters; none: every saved cluster whose file has `test_hosts: true`"
    )
    parser.add_argument("--keep-passed", action="store_true", help="do not delete a cluster that passed")
    parser.add_argument(
        "--keep-failed", action="store_true", help="do not delete a cluster that failed; others on its hosts are then skipped"
    )
    add_parts(parser)
    add_waiting(parser)


def add_parts(parser: argparse.ArgumentParser) -> None:
    """The parts that a retest has only when they are asked for."""
    parser.add_argument(
        "--upgrade-from",
        metavar="BLOCK",
        type=block_name,
        help="create the clusters with the older Kubernetes version of this Artifact bundle block, then upgrade them to that of their file",
    )
    parser.add_argument(
        "--restore-with",
        metavar="FILE",
        type=from_home,
        help="also back up and restore the clusters; FILE has the private age identity, on the machine of the Prefect worker (mode 0600)",
    )


def parts_of(options: argparse.Namespace) -> dict[str, Any]:
    """The parameters of the parts that were asked for."""
    chosen = {
        "upgrade_from": options.upgrade_from,
        # the path, never the content
        "restore_with": os.path.abspath(options.restore_with) if options.restore_with else "",
    }
    return {name: value for name, value in chosen.items() if value}


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    parameters = {"clusters": options.clusters, "keep_passed": options.keep_passed, "keep_failed": options.keep_failed}
    parameters |= parts_of(options)
    return run_deployment("retest-clusters/default", parameters, waiting(options))
