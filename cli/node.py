"""`sixstack node ADDRESS --cluster CLUSTER`: print the node with this address, in any spelling."""

from __future__ import annotations

import argparse
import sys

from cli.cluster_argument import cluster_name
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cluster.vocabulary.control_characters import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("address", metavar="ADDRESS", help="IPv4 or IPv6 address, any spelling")
    parser.add_argument("--cluster", metavar="CLUSTER", required=True, help="name of the cluster, or its file")


def run(options: argparse.Namespace) -> int:
    """Prints the node's name."""
    from cluster.vocabulary.labels import parse_node_address

    try:
        address = parse_node_address(options.address)
    except ValueError as error:
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE
    from cli.saved_cluster import saved_api, saved_kubeconfig
    from kube.nodes import find_node

    cluster = cluster_name(options.cluster)
    if isinstance(cluster, int):
        return cluster
    with saved_api(saved_kubeconfig(cluster)) as api:
        name = find_node(api, address)
    if name is None:
        print(f"sixstack: no node of {cluster} has the address {address}", file=sys.stderr)
        return PROBLEMS
    print(printable(name))
    return SUCCESS
