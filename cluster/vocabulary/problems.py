"""Problems that checks find. They are data, and are reported all at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error stops the run before any host is changed. A warning is only reported."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: a stable code, the path of the field or of the facts (`hosts/NAME/...`), a message with the values, and a hint."""

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
    """One fault that a rule found: path, message with the values, and hint. The registry adds code and severity of the rule."""

    at: str
    message: str
    hint: str


def errors_in(problems: tuple[Problem, ...] | list[Problem]) -> tuple[Problem, ...]:
    """The problems with severity error."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)
