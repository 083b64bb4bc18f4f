"""`sixstack retests`: the history of retests, from the audit store."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from cli.block_names import block_name
from cli.columns import print_columns
from cli.exit_codes import PROBLEMS, SUCCESS
from cli.numbers import whole_number
from cli.programs import runnable
from cluster.vocabulary.control_characters import printable

if TYPE_CHECKING:
    from cluster.retests.history import ClusterHistory, HistoryRow

MOST_NIGHTS = 1_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("--cluster", metavar="NAME", help="show this cluster only")
    parser.add_argument("--last", metavar="N", type=whole_number(1, MOST_NIGHTS), help="show the last N nights only; a night is one run")
    parser.add_argument("--store", metavar="BLOCK", type=block_name, default="default", help="name of the Audit store block")
    parser.add_argument("--output", choices=["text", "json"], default="text")


def run(options: argparse.Namespace) -> int:
    """A table and the state of each cluster, or the rows as a JSON list."""
    from cli.required_server import require_server
    from cluster.retests.history import read_history
    from cluster.retests.records import RETESTS

    require_server()
    from blocks.audit_store import AuditStore
    from blocks.loading import load

    history = read_history(load(AuditStore, options.store).documents(RETESTS))
    if history.unreadable:
        print(f"sixstack: {history.unreadable} records cannot be read: damaged, or of another version of sixstack", file=sys.stderr)
    if options.cluster is not None:
        history = history.of_cluster(options.cluster)
    rows = [row for night in history.nights()[-(options.last or 0) :] for row in night]
    if options.output == "json":
        # one row per line: with an indent, Python's JSON encoder is three times slower
        print("[", ",\n".join(json.dumps(row.as_dict()) for row in rows), "]", sep="\n")
    elif rows:
        _print_rows(rows)
        _print_clusters(history.clusters())
    if not rows:
        of_cluster = f" of cluster {printable(options.cluster)}" if options.cluster is not None else ""
        hint = runnable("Run `sixstack retest CLUSTER...`, or wait for the schedule of the deployment retest-clusters")
        print(f"sixstack: the audit store `{options.store}` has no retest{of_cluster}. {hint}", file=sys.stderr)
        return PROBLEMS
    return SUCCESS


def _print_rows(rows: list[HistoryRow]) -> None:
    from cluster.retests.history import shown_phases, shown_seconds

    phases = shown_phases(rows)
    header = ("START", "RUN", "CLUSTER", "STACK MODE", "RESULT", "SECONDS", *(phase.upper() for phase in phases), "FAILED STEP", "ERROR")
    print_columns(
        [
            header,
            *(
                (
                    row.shown_start,
                    row.flow_run[:8],
                    row.cluster,
                    row.stack,
                    row.shown_result,
                    shown_seconds(row.seconds),
                    *(shown_seconds(row.phase_seconds(phase)) for phase in phases),
                    row.failed_step or "-",
                    row.error[:200],
                )
                for row in rows
            ),
        ]
    )


def _print_clusters(clusters: list[ClusterHistory]) -> None:
    for state in clusters:
        newest, good = state.newest, state.last_good
        last_good = f"last good run {good.shown_start} ({good.flow_run})" if good else "no good run"
        print(f"\n{printable(state.cluster)}: {newest.shown_result} on {newest.shown_start}, {printable(last_good)}")
        if good and not newest.good:
            print("  changes since the last good run:" if state.changes else "  the versions and the file have not changed since")
            for change in state.changes:
                print(f"    {printable(change)}")
