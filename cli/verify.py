"""`sixstack verify CLUSTER`: start verify-cluster/default, follow the run, and print the findings."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from typing import Any

from cli.cluster_argument import add_cluster, as_parameter, is_file, read_spec
from cli.exit_codes import ENVIRONMENT
from cli.following import add_waiting, run_to_completion, waiting
from cli.json_output import print_error
from cli.recorded_report import no_report, recorded_report
from cli.required_server import require_server


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser, file="a cluster file")
    parser.add_argument("--image", default="", help="image of the probe pods")
    parser.add_argument("--namespace", metavar="PREFIX", default="sixstack-network-check", help="prefix of the check's namespace")
    parser.add_argument(
        "--outside",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="an address outside the cluster that pods must reach; repeatable",
    )
    parser.add_argument(
        "--output",
        choices=["text", "json"],
        default="text",
        help="json: the complete report on standard output, progress on standard error",
    )
    add_waiting(parser, detach=False)


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    parameters: dict[str, Any] = {"image": options.image, "namespace": options.namespace, "outside": options.outside}
    audit = "default"
    if is_file(options.cluster):
        spec = read_spec(options.cluster, manifests=False)
        if isinstance(spec, int):
            return spec
        parameters["cluster"] = as_parameter(options.cluster, spec)
        audit = spec.audit
    else:
        from runs.given_cluster import given_cluster_to_verify

        require_server()
        parameters["cluster"] = options.cluster
        saved = given_cluster_to_verify(options.cluster)
        if saved is not None:
            audit = str(saved.fields.get("audit", audit))
    with contextlib.redirect_stdout(sys.stderr) if options.output == "json" else contextlib.nullcontext():
        flow_run, code = run_to_completion("verify-cluster/default", parameters, waiting(options))
    report = recorded_report(str(flow_run), audit, "report")
    if options.output == "json":
        if report is None:
            print_error(no_report(flow_run))
            return code or ENVIRONMENT
        print(json.dumps(report, indent=1, ensure_ascii=False))
        return code
    for finding in (report or {}).get("findings", []):
        print(f"- {finding['says']}\n  look at {finding['look_at']}")
    for note in (report or {}).get("notes", []):
        print(f"note: {note}")
    return code
