"""`sixstack kubeconfig NAME`: a cluster's admin kubeconfig, printed or written to a file only you can read."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from cli.exit_codes import GOOD, USAGE


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("cluster", metavar="NAME", help="name of the cluster")
    parser.add_argument("-o", "--to", metavar="FILE", help="write it to FILE with mode 0600 instead of printing it")


def run(options: argparse.Namespace) -> int:
    """Prints or writes the kubeconfig."""
    from cli.saved_cluster import saved

    text = saved(options.cluster).kubeconfig.get_secret_value()
    if options.to is None:
        print(text, end="")
        return GOOD
    target = Path(options.to)
    try:
        _write(text, target)
    except OSError as error:
        print(f"sixstack: {target} cannot be written: {error.strerror}", file=sys.stderr)
        return USAGE
    print(f"kubeconfig of {options.cluster} written to {target}")
    return GOOD


def _write(text: str, target: Path) -> None:
    """Beside its target and moved: a reader sees the old file or the new one, and never one with wider permissions."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
