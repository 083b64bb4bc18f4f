"""`sixstack diff CLUSTER`: start inspect-cluster/default, follow the run, and print the differences from the file."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import Any

from cli.cluster_argument import add_cluster, as_parameter, read_spec
from cli.columns import print_columns
from cli.exit_codes import ENVIRONMENT, PROBLEMS, SUCCESS
from cli.following import add_waiting, run_to_completion, waiting
from cli.json_output import print_error
from cli.programs import runnable
from cli.recorded_report import no_report, recorded_report


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument(
        "--output",
        choices=["text", "json"],
        default="text",
        help="json: the complete report on standard output, progress on standard error",
    )
    add_waiting(parser, detach=False)


def run(options: argparse.Namespace) -> int:
    """0 without drift, 1 with drift, 3 when a host or the API could not be inspected."""
    from cluster.drift.report import for_cluster

    spec = read_spec(options.cluster)
    if isinstance(spec, int):
        return spec
    with contextlib.redirect_stdout(sys.stderr) if options.output == "json" else contextlib.nullcontext():
        parameters = {"cluster": as_parameter(options.cluster, spec)}
        flow_run, _ = run_to_completion("inspect-cluster/default", parameters, waiting(options))
    report = recorded_report(str(flow_run), spec.audit, "drift")
    if report is None:
        if options.output == "json":
            print_error(no_report(flow_run))
        return ENVIRONMENT  # also when the run failed before it compared anything
    report = for_cluster(report, spec.name if options.cluster == "-" else options.cluster)
    if options.output == "json":
        print(json.dumps(report, indent=1, ensure_ascii=False))
    else:
        _print(report)
    return exit_code(report)


def exit_code(report: dict[str, Any]) -> int:
    """The exit code of a report."""
    if not report["complete"]:
        return ENVIRONMENT
    return PROBLEMS if report["drift"] else SUCCESS


def _print(report: dict[str, Any]) -> None:
    from cluster.drift.report import repair_lines, report_rows

    if rows := report_rows(report):
        print_columns(rows)
    for line in repair_lines(report):
        print(runnable(f"- {line}"))
    for entry in report["uninspected"]:
        print(f"not inspected: {entry['path']}: {entry['reason']}\n    {entry['hint']}")
    for note in report["notes"]:
        print(f"note: {note}")
