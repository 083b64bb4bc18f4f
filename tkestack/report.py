"""What became of each field of a document: taken over, changed, not taken over, or at fault. No line holds a secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.vocabulary.problems import Problem


class StepOutcome(StrEnum):
    """What became of a field; `added` is what no document says and the cluster file needs."""

    TAKEN = "taken over"
    CHANGED = "changed"
    LEFT = "not taken over"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Change:
    """One field: where it stood (`FILE: spec.x`), what came of it in the cluster file, and why."""

    fate: StepOutcome
    path: str  # "" for what was added
    to: str  # "" for what was not taken over
    why: str = ""

    def as_dict(self) -> dict[str, str]:
        """The JSON form of `sixstack import --output json`."""
        return {"fate": self.fate.value, "path": self.path, "to": self.to, "why": self.why}

    def __str__(self) -> str:
        if self.fate is StepOutcome.LEFT:
            return f"not taken over: {self.path}: {self.why}"
        if self.fate is StepOutcome.ADDED:
            return f"added: {self.to}: {self.why}"
        return f"{self.fate}: {self.path} -> {self.to}" + (f": {self.why}" if self.why else "")


class Report:
    """Collects what is said of fields; a field of which nothing was said is found afterwards (tkestack/not_taken.py)."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.problems: list[Problem] = []
        self.origins: dict[str, str] = {}  # path in the cluster file -> path in a document
        self._told: set[str] = set()

    def taken(self, path: str, to: str) -> None:
        """The field says the same in the cluster file, at `to`."""
        self._change(Change(StepOutcome.TAKEN, path, to))

    def changed(self, path: str, to: str, why: str) -> None:
        """The field was taken over with another value or meaning."""
        self._change(Change(StepOutcome.CHANGED, path, to, why))

    def left(self, path: str, why: str) -> None:
        """Nothing in the cluster file comes of the field."""
        self._change(Change(StepOutcome.LEFT, path, "", why))

    def added(self, to: str, why: str) -> None:
        """The cluster file says something that no field does."""
        self.changes.append(Change(StepOutcome.ADDED, "", to, why))

    def fault(self, code: str, path: str, says: str, hint: str) -> None:
        """The field cannot be used."""
        self._told.add(path)
        self.problems.append(Problem(code, path, says, hint))

    def comes_from(self, ours: str, path: str) -> None:
        """A problem of our field is one of that field of the document."""
        self.origins[ours] = path

    def told_of(self, path: str) -> bool:
        """Something was said of exactly this field."""
        return path in self._told

    def _change(self, change: Change) -> None:
        self._told.add(change.path)
        self.changes.append(change)
