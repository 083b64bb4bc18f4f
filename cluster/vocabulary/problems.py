"""What a check finds: problems are data, reported all at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error stops everything before a host is touched; a warning is said and passed."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: a stable code, the path of the field (or `hosts/NAME` facts) at fault, the values, and what to do instead."""

    code: str
    path: str
    message: str
    hint: str
    severity: Severity = Severity.ERROR

    def as_dict(self) -> dict[str, str]:
        """The JSON form that `sixstack check --output json` prints."""
        return {"code": self.code, "severity": self.severity.value, "path": self.path, "message": self.message, "hint": self.hint}

    def __str__(self) -> str:
        return f"{self.path}: {self.message} [{self.code}]\n    {self.hint}"


@dataclass(frozen=True, slots=True)
class Violation:
    """What a rule yields: where, what was found (with the values), and what to write instead; the rule's code makes a Problem of it."""

    at: str
    message: str
    hint: str


def errors_in(problems: tuple[Problem, ...] | list[Problem]) -> tuple[Problem, ...]:
    """The problems that forbid going on."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)
