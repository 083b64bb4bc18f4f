"""`sixstack kubeconfig CLUSTER`: a cluster's kubeconfig, printed, written to a file only you can read, or taken from one and saved as a block."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from cli.cluster_argument import add_cluster, cluster_name
from cli.exit_codes import SUCCESS, USAGE

BLOCK_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


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


def run(options: argparse.Namespace) -> int:
    """Prints, writes or saves the kubeconfig."""
    name = cluster_name(options.cluster)
    if isinstance(name, int):
        return name
    if options.save is not None:
        return _save(name, options.save)
    import yaml

    from cli.saved_cluster import saved_kubeconfig
    from kube.kubeconfig import kubeconfig_document, named_after

    text = yaml.safe_dump(named_after(kubeconfig_document(saved_kubeconfig(name).kubeconfig), name), sort_keys=False)
    if options.to is None:
        print(text, end="")
        return SUCCESS
    target = Path(options.to)
    try:
        _write(text, target)
    except OSError as error:
        print(f"sixstack: {target} cannot be written: {error.strerror}", file=sys.stderr)
        return USAGE
    print(f"kubeconfig of {name} written to {target}")
    return SUCCESS


def _save(cluster: str, file: str) -> int:
    """Save a block for a cluster that sixstack did not make; the content of the file is not printed."""
    from pydantic import SecretStr

    from blocks.loading import NoBlock, load
    from blocks.saved_kubeconfig import SavedKubeconfig, block_name
    from cli.cluster_argument import Unreadable, file_text
    from cli.server import require_server
    from kube.client import connect_directly

    try:
        text = file_text(file)
    except Unreadable as error:
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE
    if not BLOCK_NAME.fullmatch(cluster):
        print(f"sixstack: {cluster!r} is not a block name: use lower-case letters, digits and inner hyphens", file=sys.stderr)
        return USAGE
    require_server()
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


def _write(text: str, target: Path) -> None:
    """Write a second file and rename it: readers see the old or the new file, always with mode 0600.

    The name of the second file is fixed, so that the next command replaces what a killed one left.
    """
    new = target.with_name(f".{target.name}.sixstack-new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
