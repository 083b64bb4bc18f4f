"""The result of an inspection: differences, and what could not be inspected."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.drift.difference import Difference
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.markdown import escape, table
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.redaction import redact

_PLACE = re.compile(r"\b(sixstack [a-z-]+) CLUSTER\b")  # in the command of a difference
_COLUMNS = ("path", "expected", "actual", "where", "repair")


@dataclass(frozen=True)
class DriftReport:
    """What differs between a cluster and its file."""

    cluster: str
    differences: tuple[Difference, ...] = ()
    uninspected: tuple[Problem, ...] = ()  # hosts, parts of their facts, or the API
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Everything was inspected."""
        return not self.uninspected

    @property
    def verdict(self) -> str:
        """One sentence."""
        return f"cluster {self.cluster}: {self.summary}"

    @property
    def summary(self) -> str:
        """The result in a few words, for the overview."""
        count = len(self.differences)
        found = f"{count} difference{'s' if count > 1 else ''}" if count else "no drift"
        return found if self.complete else f"{found}, not inspected: {', '.join(dict.fromkeys(p.path for p in self.uninspected))}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form, which `sixstack diff --output json` prints."""
        return {
            "cluster": self.cluster,
            "drift": bool(self.differences),
            "complete": self.complete,
            "differences": [difference.as_dict() for difference in self.differences],
            "uninspected": [
                {"path": problem.path, "reason": printable(redact(problem.message)), "hint": printable(redact(problem.hint))}
                for problem in self.uninspected
            ],
            "notes": list(self.notes),
        }


def for_cluster(report: Mapping[str, Any], cluster: str) -> dict[str, Any]:
    """A report's JSON form whose commands have this name or file of the cluster in place of CLUSTER."""
    word = shlex.quote(cluster)

    def named(command: str) -> str:
        return _PLACE.sub(lambda found: f"{found[1]} {word}", command)

    differences = [{**difference, "command": named(difference["command"])} for difference in report["differences"]]
    return {**report, "differences": differences}


def report_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The table of a report's JSON form for a terminal, with its header; [] without differences."""
    rows = [tuple(difference[name] for name in _COLUMNS) for difference in report["differences"]]
    return [tuple(name.upper() for name in _COLUMNS), *rows] if rows else []


def repair_lines(report: Mapping[str, Any]) -> list[str]:
    """What to do, a line for each command with the differences that it repairs."""
    by_command: dict[tuple[str, str], list[str]] = {}
    for difference in report["differences"]:
        by_command.setdefault((difference["repair"], difference["command"]), []).append(difference["path"])
    return [f"{repair}: {command} ({', '.join(paths)})" for (repair, command), paths in by_command.items()]


def drift_page(report: DriftReport) -> str:
    """The report as Markdown, for the Prefect UI."""
    document = for_cluster(report.as_dict(), report.cluster)
    sign = "🟢" if report.complete and not report.differences else "🔴" if report.differences else "🟡"
    parts = [f"## {sign} {escape(report.verdict)}"]
    parts.append("\n".join(f"- {escape(note)}" for note in report.notes))
    if document["uninspected"]:
        rows = ([escape(entry["path"]), escape(entry["reason"]), escape(entry["hint"])] for entry in document["uninspected"])
        parts.append("### Not inspected\n\n" + table(["path", "reason", "what to do"], rows))
    if document["differences"]:
        rows = ([escape(entry[name]) for name in _COLUMNS] for entry in document["differences"])
        parts.append("### Differences\n\n" + table(["path", "expected", "actual", "where", "repaired by"], rows))
        # not a column: the V2 UI would write a wide table over what is beside it
        parts.append("### Repair\n\n" + "\n".join(f"- {escape(line)}" for line in repair_lines(document)))
    return "\n\n".join(part for part in parts if part)
