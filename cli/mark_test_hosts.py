"""`sixstack mark-test-hosts CLUSTER`: ask for confirmation, start mark-test-hosts/default, follow the run."""

from __future__ import annotations

import argparse
import sys

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.confirmation import not_confirmed
from cli.exit_codes import USAGE
from cli.following import add_waiting, run_deployment, waiting


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("--confirm", metavar="NAME", help="the cluster's name, instead of the question for it")
    parser.add_argument("--undo", action="store_true", help="remove the markers")
    add_waiting(parser)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    confirm = options.confirm
    if confirm is None:
        hosts = ", ".join(f"{host.name} ({host.ssh.address})" for host in spec.hosts)
        effect = "retests do not use them any more" if options.undo else "a retest deletes every sixstack cluster on them, with all data"
        if not sys.stdin.isatty():
            print(f"sixstack: no terminal to ask for confirmation: add --confirm {spec.name}", file=sys.stderr)
            return USAGE
        print(f"{'Unmark' if options.undo else 'Mark'} as test hosts: {hosts}. Effect: {effect}.")
        try:
            confirm = input(f"Type the name of the cluster ({spec.name}) to confirm: ").strip()
        except EOFError:  # Ctrl-D
            print("\nsixstack: not confirmed: no host was changed", file=sys.stderr)
            return USAGE
    if not_confirmed(confirm, spec.name):
        return USAGE
    parameters = {"cluster": as_parameter(options.cluster, spec), "confirm": confirm, "undo": options.undo}
    return run_deployment("mark-test-hosts/default", parameters, waiting(options))
