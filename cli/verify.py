"""`sixstack verify NAME|FILE`: start verify-cluster/default, follow the run, and print the findings."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from cli.exit_codes import ENVIRONMENT
from cluster.vocabulary.errors import EnvironmentFault

# a valid name of a Saved kubeconfig block; write ./NAME for a file of such a name
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument(
        "cluster",
        metavar="NAME|FILE",
        help="a cluster file (`-`: standard input), or the name of a saved kubeconfig: then the state of the API server is the expectation",
    )
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


def run(options: argparse.Namespace) -> int:
    """The exit code of the run's result."""
    from cli.following import run_to_completion

    parameters: dict[str, Any] = {"image": options.image, "namespace": options.namespace, "outside": options.outside}
    audit = "default"
    if _NAME.fullmatch(options.cluster) and not Path(options.cluster).is_file():
        parameters["cluster"] = options.cluster
    else:
        from cli.cluster_file import as_parameter, read_spec

        spec = read_spec(options.cluster, manifests=False)
        if isinstance(spec, int):
            return spec
        parameters |= {"cluster": spec.name, "file": as_parameter(spec)}
        audit = spec.audit
    with contextlib.redirect_stdout(sys.stderr) if options.output == "json" else contextlib.nullcontext():
        flow_run, code = run_to_completion("verify-cluster/default", parameters)
    report = _report(str(flow_run), audit)
    if options.output == "json":
        print(json.dumps(report, indent=1, ensure_ascii=False))
        return code if report is not None else code or ENVIRONMENT
    for finding in (report or {}).get("findings", []):
        print(f"- {finding['says']}\n  look at {finding['look_at']}")
    for note in (report or {}).get("notes", []):
        print(f"note: {note}")
    return code


def _report(flow_run: str, audit: str) -> dict[str, Any] | None:
    """The recorded report of the run; None when there is none, or when this machine cannot reach the audit store."""
    from blocks.audit_store import AuditStore
    from blocks.loading import load

    try:
        records = list(load(AuditStore, audit).records(flow_run))
    except (EnvironmentFault, OSError) as error:
        print(f"sixstack: the report cannot be read: {error}", file=sys.stderr)
        return None
    reports = [record["report"] for record in records if record.get("report")]
    return dict(reports[-1]) if reports else None
