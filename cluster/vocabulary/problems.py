"""Problems that checks find. They are data, and are reported all at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cluster.vocabulary.fixes import Fix


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
    fix: Fix = field(default=(), compare=False)  # removes the problem; empty when a person has to decide

    def as_dict(self) -> dict[str, Any]:
        """The JSON form that `sixstack check --output json` prints. `fix` is a JSON Patch (RFC 6902) of the cluster file."""
        problem = {"code": self.code, "severity": self.severity.value, "path": self.path, "message": self.message, "hint": self.hint}
        return {**problem, "fix": [change.as_dict() for change in self.fix]}

    def __str__(self) -> str:
        return f"{self.path}: {self.message} [{self.code}]\n    {self.hint}"


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault that a rule found: path, message with the values, hint and fix. The registry adds the code of the rule."""

    at: str
    message: str
    hint: str
    fix: Fix = ()
    severity: Severity | None = None  # None: that of the rule


# more are not read by a person; a file of 1 MB can have 600,000
MOST_PROBLEMS = 500


class ProblemList(list[Problem]):
    """The first MOST_PROBLEMS problems. The others are only counted."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        super().__init__()
        self.omitted = dict.fromkeys(Severity, 0)
        self.extend(problems)

    @property
    def is_hopeless(self) -> bool:
        """Whether it is no use to search on: no one reads how many thousands of problems a file has."""
        return self.omitted[Severity.ERROR] >= MOST_PROBLEMS

    def append(self, problem: Problem) -> None:
        """Add the problem, or count it."""
        if len(self) < MOST_PROBLEMS:
            super().append(problem)
        else:
            self.omitted[problem.severity] += 1

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add each problem, or count it, with those that a list has counted."""
        for problem in problems:
            self.append(problem)
        if isinstance(problems, ProblemList):
            for severity, count in problems.omitted.items():
                self.omitted[severity] += count

    def rest(self, path: str) -> tuple[Problem, ...]:
        """The problem that says how many problems are not listed; it is an error if one of them is."""
        count = sum(self.omitted.values())
        if not count:
            return ()
        severity = Severity.ERROR if self.omitted[Severity.ERROR] else Severity.WARNING
        message = f"at least {count} more problem{'s are' if count > 1 else ' is'} not listed"
        return (Problem("too-many-problems", path, message, "fix the listed problems, then check again", severity),)


def errors_in(problems: tuple[Problem, ...] | list[Problem]) -> tuple[Problem, ...]:
    """The problems with severity error."""
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR)
