"""`sixstack audit RUN_OR_CLUSTER`: the records of a flow run or of a cluster."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from cli.cluster_argument import cluster_name
from cli.columns import print_columns
from cli.exit_codes import PROBLEMS, SUCCESS
from cluster.vocabulary.control_characters import without_control


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("run_or_cluster", metavar="RUN_OR_CLUSTER", help="id of a flow run, name of a cluster, or its file")
    parser.add_argument("--store", metavar="BLOCK", default="default", help="name of the Audit store block")
    parser.add_argument("--network", action="store_true", help="show the table of the newest network check instead")
    parser.add_argument("--output", choices=["text", "json"], default="text")


def run(options: argparse.Namespace) -> int:
    """A table, or the records as a JSON list."""
    from blocks.audit_store import AuditStore
    from blocks.loading import load
    from cli.server import require_server

    require_server()
    subject = cluster_name(options.run_or_cluster)
    if isinstance(subject, int):
        return subject
    records = list(load(AuditStore, options.store).records(subject))
    if options.network:
        records = [record for record in records if record.get("report")][-1:]
        _print_network(records)
    elif options.output == "json":
        print(json.dumps(records, indent=1))
    elif records:
        _print_records(records)
    if not records:
        print(f"sixstack: the audit store `{options.store}` has no record of {subject}", file=sys.stderr)
        return PROBLEMS
    return SUCCESS


def _print_records(records: list[dict[str, Any]]) -> None:
    header = ("START", "RUN", "STEP", "HOST", "ATTEMPT", "OUTCOME", "WHAT")
    print_columns(
        [
            header,
            *(
                (
                    record["start"][:19].replace("T", " "),
                    record["flow_run"][:8],
                    record["step"],
                    record["host"],
                    str(record["attempt"]),
                    record["outcome"],
                    (record["error"] or "; ".join(record["changed"]) or record["found"] or "").split("\n")[0][:100],
                )
                for record in records
            ),
        ]
    )


def _print_network(records: list[dict[str, Any]]) -> None:
    for record in records:
        rows = record["report"]["table"]
        print_columns([tuple(word.upper() for word in rows[0]), *(tuple(row.values()) for row in rows)] if rows else [])
        print(without_control(record["report"]["verdict"]))
