"""The result of an import: a cluster file, the logins of its hosts, and a report of every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.file.reader import read_document
from cluster.vocabulary.problems import Problem, errors_in
from importers.logins import Login
from importers.report import Change, Report


@dataclass(frozen=True, slots=True)
class Imported:
    """`document` is None exactly when a file has an error. Problems of the cluster file come with the file to fix."""

    document: dict[str, Any] | None
    logins: tuple[Login, ...]
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    lines: Mapping[str, int] = field(default_factory=dict)  # path of a document's field -> line of its file


def imported(document: dict[str, Any], logins: tuple[Login, ...], report: Report, lines: Mapping[str, int]) -> Imported:
    """All errors of all files at once; without one, the cluster file and its problems as from `sixstack check`."""
    if errors_in(report.problems):
        problems = (*dict.fromkeys(report.problems), *report.problems.rest("documents"))
        return Imported(None, (), tuple(report.changes), problems, lines)
    found = tuple(_with_origin(problem, report) for problem in read_document(document).problems)
    return Imported(document, logins, tuple(report.changes), (*report.problems, *found), lines)


def _with_origin(problem: Problem, report: Report) -> Problem:
    """A problem of the cluster file, with the field of the document that caused it, and with the options of an import."""
    if problem.code == "host-key-missing":
        problem = replace(problem, hint=f"{problem.hint.removesuffix('.')}, or import with --known-hosts FILE or --trust-on-first-use.")
    inside = [
        field_path
        for field_path in report.origins
        if problem.path == field_path or problem.path.startswith((f"{field_path}.", f"{field_path}["))
    ]
    if not inside:
        return problem
    return replace(problem, message=f"{problem.message} (from {report.origins[max(inside, key=len)]})")
