"""`sixstack kubeconfig CLUSTER`: a cluster's kubeconfig, printed, written to a file only you can read, merged into your own, or saved from a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cli.cluster_argument import add_cluster, cluster_name
from cli.exit_codes import SUCCESS, USAGE


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser, file="its file")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-o", "--to", metavar="FILE", help="write it to FILE with mode 0600 instead of printing it")
    group.add_argument(
        "--save",
        metavar="FILE",
        help="save the kubeconfig FILE (`-`: standard input) under this name; this machine must reach the API server",
    )
    group.add_argument(
        "--merge",
        action="store_true",
        help="add context, cluster and user to your own kubeconfig (KUBECONFIG, else ~/.kube/config); `sixstack delete` removes them",
    )
    parser.add_argument("--use", action="store_true", help="with --merge: make it the current context, also when there is one")
    parser.add_argument("--overwrite", action="store_true", help="with --merge: replace the entries of an earlier cluster with this name")


def run(options: argparse.Namespace) -> int:
    """Prints, writes, merges or saves the kubeconfig."""
    if (options.use or options.overwrite) and not options.merge:
        print("sixstack: --use and --overwrite belong to --merge", file=sys.stderr)
        return USAGE
    name = cluster_name(options.cluster)
    if isinstance(name, int):
        return name
    if options.save is not None:
        return _save(name, options.save)
    return _give(name, options)


def _give(name: str, options: argparse.Namespace) -> int:
    import yaml

    from cli.own_kubeconfig import merge, write_private
    from cli.saved_cluster import saved_kubeconfig
    from kube.kubeconfig import authority_hash, kubeconfig_document, named_after

    document = named_after(kubeconfig_document(saved_kubeconfig(name).kubeconfig), name)
    text = yaml.safe_dump(document, sort_keys=False)
    if options.merge:
        print(merge(document, name, authority_hash(document), use=options.use, overwrite=options.overwrite))
    elif options.to is None:
        print(text, end="")
    else:
        target = Path(options.to)
        try:
            write_private(text, target)
        except OSError as error:
            print(f"sixstack: {target} cannot be written: {error.strerror}", file=sys.stderr)
            return USAGE
        print(f"kubeconfig of {name} written to {target}")
    return SUCCESS


def _save(cluster: str, file: str) -> int:
    """Save a block for a cluster that sixstack did not make; the content of the file is not printed."""
    from pydantic import SecretStr

    from cli.cluster_argument import Unreadable, file_text
    from cli.required_server import require_server
    from kube.client import connect_directly

    try:
        text = file_text(file)
    except Unreadable as error:
        print(f"sixstack: --save {error}", file=sys.stderr)
        return USAGE
    require_server()
    from blocks.loading import NoBlock, load
    from blocks.saved_kubeconfig import SavedKubeconfig, block_name

    try:
        existing = load(SavedKubeconfig, block_name(cluster))
    except NoBlock:
        pass
    else:
        if existing.ssh is not None:  # the block from create-cluster has the SSH endpoint
            print(f"sixstack: {cluster} was created by sixstack, and its kubeconfig is saved: choose another name", file=sys.stderr)
            return USAGE
    with connect_directly(text) as api:
        version = api.get("/version")["gitVersion"]
    SavedKubeconfig(cluster=cluster, kubeconfig=SecretStr(text)).save(block_name(cluster), overwrite=True)
    print(f"kubeconfig saved as block saved-kubeconfig/{block_name(cluster)}; the API server answers: Kubernetes {version}")
    return SUCCESS
