"""`sixstack audit RUN_OR_CLUSTER`: the records of a flow run or of a cluster, and whether they are complete and unchanged."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from cli.block_names import block_name
from cli.cluster_argument import cluster_name
from cli.columns import print_columns
from cli.exit_codes import DAMAGED, PROBLEMS, SUCCESS
from cluster.vocabulary.control_characters import printable, without_control
from cluster.vocabulary.one_line import in_one_line
from cluster.vocabulary.records import shown_outcome

if TYPE_CHECKING:
    from blocks.audit_store import AuditStore


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("run_or_cluster", metavar="RUN_OR_CLUSTER", help="id of a flow run, name of a cluster, or its file")
    parser.add_argument("--store", metavar="BLOCK", type=block_name, default="default", help="name of the Audit store block")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--network", action="store_true", help="show the table of the newest network check instead")
    group.add_argument(
        "--verify",
        action="store_true",
        help=f"check the hash chain of each run instead; exit code {DAMAGED} when records are missing, changed or torn",
    )
    parser.add_argument("--output", choices=["text", "json"], default="text")


def run(options: argparse.Namespace) -> int:
    """A table, or the records as a JSON list."""
    from cli.required_server import require_server

    require_server()
    from blocks.audit_store import AuditStore
    from blocks.loading import load

    subject = cluster_name(options.run_or_cluster)
    if isinstance(subject, int):
        return subject
    store = load(AuditStore, options.store)
    _deliver_leftovers(options.store, store)
    if options.verify:
        return _verify(store, options.store, subject, options.output)
    found = store.read(subject)
    for path, reason in found.unreadable:
        print(f"sixstack: {printable(path)} cannot be read: {printable(reason)}", file=sys.stderr)
    records = found.documents
    if options.network:
        records = [record for record in records if record.get("report")][-1:]
        _print_network(records)
    elif options.output == "json":
        print(json.dumps(records, indent=1))
    elif records:
        _print_records(records)
    if not records:
        _print_nothing(options.store, subject)
        return PROBLEMS
    return SUCCESS


def _deliver_leftovers(block: str, store: AuditStore) -> None:
    """Records that a killed run of this worker left on the disk while the store was away."""
    from runs.record_spool import deliver_leftovers

    for leftovers in deliver_leftovers(block, store):
        print(f"sixstack: {leftovers}", file=sys.stderr)


def _verify(store: AuditStore, block: str, subject: str, output: str) -> int:
    """One line for each run."""
    from cluster.vocabulary.record_chain import RunCondition, verify_cluster

    found = [
        run
        for cluster in store.clusters_of(subject)
        for run in verify_cluster(cluster, store.files(cluster), store.last_runs(cluster))
        if subject in (cluster, run.run)
    ]
    if output == "json":
        print(json.dumps([run.as_dict() for run in found], indent=1))
    else:
        for run in found:
            print(printable(str(run)))
    if not found:
        _print_nothing(block, subject)
        return PROBLEMS
    return DAMAGED if any(run.condition is RunCondition.DAMAGED for run in found) else SUCCESS


def _print_nothing(block: str, subject: str) -> None:
    print(f"sixstack: the audit store `{block}` has no record of {printable(subject)}", file=sys.stderr)


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
                    shown_outcome(record["step"], record["outcome"]),
                    in_one_line(record.get("error") or "; ".join(record.get("changed", ())) or record.get("found", ""))[:100],
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
