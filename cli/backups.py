"""`sixstack backups CLUSTER`: the copies of a cluster in its Backup store."""

from __future__ import annotations

import argparse
import json
import sys

from cli.cluster_argument import add_cluster, read_spec
from cli.columns import print_columns
from cli.exit_codes import SUCCESS


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("--output", choices=["text", "json"], default="text")


def run(options: argparse.Namespace) -> int:
    """A table, oldest copy first, or a JSON list. 0 without a copy too."""
    from cli.required_server import require_server

    spec = read_spec(options.cluster, manifests=False)
    if isinstance(spec, int):
        return spec
    require_server()
    from blocks.backup_store import BackupStore
    from blocks.loading import load

    store = load(BackupStore, spec.backups)
    copies = store.listed(spec.name)
    if options.output == "json":
        print(
            json.dumps(
                [{"name": copy.name, "location": store.located(copy).location, **copy.model_dump(mode="json")} for copy in copies], indent=1
            )
        )
    elif copies:
        header = ("NAME", "TIME (UTC)", "HOST", "BYTES", "REASON", "KUBERNETES", "ETCD", "REVISION", "CONTENT")
        rows = [
            (
                copy.name,
                f"{copy.created:%Y-%m-%d %H:%M:%S}",
                copy.host,
                f"{copy.size:,}",
                copy.reason.value,
                copy.kubernetes_version or "-",
                copy.etcd_version or "-",
                "-" if copy.revision is None else str(copy.revision),
                copy.content,
            )
            for copy in copies
        ]
        print_columns([header, *rows])
    else:
        print(f"sixstack: the Backup store `{spec.backups}` has no copy of cluster {spec.name}", file=sys.stderr)
    return SUCCESS
