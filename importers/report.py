"""The report of an import: each field is taken over, changed, not taken over or invalid. No line contains a secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.vocabulary.problems import Problem, ProblemList


class FieldOutcome(StrEnum):
    """The outcome of a field; `added` is a value of the cluster file that no document has."""

    TAKEN = "taken over"
    CHANGED = "changed"
    NOT_TAKEN = "not taken over"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Change:
    """One field: its path (`FILE: spec.x`), the result in the cluster file, and the reason."""

    outcome: FieldOutcome
    path: str  # "" for an added value
    to: str  # "" for a field that was not taken over
    why: str = ""

    def as_dict(self) -> dict[str, str]:
        """The JSON form of `sixstack import --output json`."""
        return {"fate": self.outcome.value, "path": self.path, "to": self.to, "why": self.why}

    def __str__(self) -> str:
        if self.outcome is FieldOutcome.NOT_TAKEN:
            return f"not taken over: {self.path}: {self.why}"
        if self.outcome is FieldOutcome.ADDED:
            return f"added: {self.to}: {self.why}"
        return f"{self.outcome}: {self.path} -> {self.to}" + (f": {self.why}" if self.why else "")


class Report:
    """Collects the outcomes of fields. importers/unread.py finds fields without an outcome afterwards."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.problems = ProblemList()
        self.origins: dict[str, str] = {}  # path in the cluster file -> path in a document
        self._reported: set[str] = set()

    def taken(self, path: str, to: str) -> None:
        """The field has the same value in the cluster file, at `to`."""
        self._change(Change(FieldOutcome.TAKEN, path, to))

    def changed(self, path: str, to: str, why: str) -> None:
        """The field was taken over with another value or meaning."""
        self._change(Change(FieldOutcome.CHANGED, path, to, why))

    def not_taken(self, path: str, why: str) -> None:
        """The field has no effect on the cluster file."""
        self._change(Change(FieldOutcome.NOT_TAKEN, path, "", why))

    def added(self, to: str, why: str) -> None:
        """The cluster file has a value that no document has."""
        self.changes.append(Change(FieldOutcome.ADDED, "", to, why))

    def fault(self, code: str, path: str, message: str, hint: str) -> None:
        """The field cannot be used."""
        self._reported.add(path)
        self.problems.append(Problem(code, path, message, hint))

    def set_origin(self, field: str, path: str) -> None:
        """A problem of `field` in the cluster file is a problem of `path` in a document."""
        self.origins[field] = path

    def is_reported(self, path: str) -> bool:
        """Whether exactly this field has an outcome."""
        return path in self._reported

    def _change(self, change: Change) -> None:
        self._reported.add(change.path)
        self.changes.append(change)
