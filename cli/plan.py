"""`sixstack plan CLUSTER`: inspect the hosts and print the plan; changes nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.cluster_argument import add_cluster, add_only, problem_lines, read
from cli.exit_codes import PROBLEMS, SUCCESS
from cluster.vocabulary.control_characters import without_control

if TYPE_CHECKING:
    from cluster.facts.host_facts import HostFacts
    from cluster.plan.graph import Plan
    from cluster.vocabulary.errors import CannotApply
    from cluster.vocabulary.migration import Migration
    from cluster.vocabulary.problems import Problem
    from cluster.vocabulary.spec import ClusterSpec
    from runs.context import RunContext


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    parser.add_argument("--no-verify", action="store_true", help="skip the network check, as `sixstack create --no-verify` does")
    add_only(parser)
    parser.add_argument("--output", choices=["text", "json"], default="text")


def run(options: argparse.Namespace) -> int:
    """0 for every plan, also that of an upgrade; the JSON has `steps`, which is empty when the cluster matches its file."""
    reading = read(options.cluster)
    if isinstance(reading, int):
        return reading
    if reading.problems and options.output == "text":
        print(problem_lines(reading.problems, reading.line), file=sys.stderr)
    if (spec := reading.spec) is None:
        if options.output == "json":
            _print_problems(reading.problems)
        return PROBLEMS
    from cli.required_server import require_server
    from cluster.plan.selection import NotSelected, left_out, select_hosts
    from cluster.vocabulary.errors import CannotApply

    try:
        selected = select_hosts(spec, options.only)
    except NotSelected as error:
        if options.output == "json":
            _print_problems(error.problems)
            return PROBLEMS
        raise
    require_server()
    from cli.inspection import inspect
    from hosts.facts import gather
    from runs.cluster_api import close_api
    from runs.context import RunContext
    from runs.sessions import close_sessions, open_sessions
    from tasks.plan import is_upgrade, make_plan, probe_connectivity

    run = RunContext(cluster=spec.name, id=f"plan-{spec.name}", audit=spec.audit, bundle=spec.bundle)
    open_sessions(run)
    try:
        facts, uninspected = inspect(selected, run, gather)
        try:
            tried = probe_connectivity(spec, facts, run)
            try:
                _, plan, warnings = make_plan(
                    spec, facts, uninspected, tried, run, verify=not options.no_verify, absent=left_out(spec, selected)
                )
            except CannotApply as error:
                if options.only or not is_upgrade(error):
                    raise
                plan, warnings = _upgrade(spec, facts, run)
        except CannotApply as error:
            return _refused(error, options.output)
    finally:
        close_api(run)
        close_sessions(run)
    if options.output == "json":
        print(json.dumps({**plan.as_dict(), "problems": [problem.as_dict() for problem in (*reading.problems, *warnings)]}, indent=1))
        return SUCCESS
    if warnings:
        print(problem_lines(warnings))
    print(without_control(plan.as_text()))
    return SUCCESS


def _upgrade(spec: ClusterSpec, facts: dict[str, HostFacts], run: RunContext) -> tuple[Plan, tuple[Problem, ...]]:
    """What `sixstack upgrade` does, and the warnings: the file and the cluster differ in the version and in nothing that cannot change."""
    from cluster.plan.upgrade import UpgradeSettings
    from cluster.vocabulary.copies import CopyReason
    from runs.copies import find_copy_settings
    from tasks.plan_upgrade import make_upgrade_plan

    copies, uncopied = find_copy_settings(spec, facts, CopyReason.UPGRADE)
    _, plan, warnings = make_upgrade_plan(spec, facts, uncopied, copies, UpgradeSettings(), run)
    return plan, warnings


def _refused(error: CannotApply, output: str) -> int:
    from cluster.vocabulary.errors import ImmutableChange

    migration = error.migration if isinstance(error, ImmutableChange) else None
    if output == "json":
        _print_problems(error.problems, migration)
    else:
        print(problem_lines(error.problems))
        if migration is not None:
            print(migration)
    return PROBLEMS


def _print_problems(problems: Sequence[Problem], migration: Migration | None = None) -> None:
    extra = {"migration": migration.as_dict()} if migration is not None else {}
    print(json.dumps({"steps": [], "notes": [], "problems": [problem.as_dict() for problem in problems], **extra}, indent=1))
