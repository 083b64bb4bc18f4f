"""The exception tree, organised by what the caller can do.

SixstackError
├── SpecError            fix the cluster file or another input; no host was changed
│   └── CannotApply          or fix the hosts: the file does not fit the hosts, or a host could not be inspected
│       └── ImmutableChange      or migrate by hand: the existing cluster cannot get this change
├── EnvironmentFault     fix the environment of sixstack: Prefect server, blocks, tools
├── HostError            fix the host: a retry fails again
│   ├── LoginRefused         user, key, password, passphrase or sudo
│   ├── HostKeyMismatch      the host key differs from the pinned or recorded key
│   ├── HostRefused          the facts of the host forbid the plan (problems listed)
│   └── StepFailed           the script of a step failed, and a retry fails again
├── Retryable            temporary: tasks retry only these errors
│   ├── HostUnreachable      no connection, or the connection was lost
│   ├── StepTimedOut         the step exceeded its time limit
│   ├── HostBusy             another run holds the host
│   └── ApiUnavailable       the Kubernetes API does not answer
├── ClusterError         the cluster differs from its spec: nodes not ready, network check failed
│   └── FindingReported      a check found something, and its own event says so
└── Bug                  an error in sixstack: report it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.problems import Problem

if TYPE_CHECKING:
    from cluster.vocabulary.migration import Migration


class SixstackError(Exception):
    """Base class of all errors that sixstack raises. Their texts contain no control characters, because many quote what a host printed."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(without_control(argument) if isinstance(argument, str) else argument for argument in arguments))


class SpecError(SixstackError):
    """The input is invalid. `problems` lists every fault."""

    headline = "the cluster file has problems"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(_listed(self.headline, self.problems))


class CannotApply(SpecError):
    """The file is valid, but does not fit these hosts or this cluster. Fix the file or the hosts."""

    headline = "the cluster file does not fit the hosts or the existing cluster; no host was changed"


class ImmutableChange(CannotApply):
    """The existing cluster cannot get this change. `migration` lists the manual steps if families or ranges change."""

    def __init__(self, problems: Sequence[Problem], migration: Migration | None) -> None:
        super().__init__(problems)
        self.migration = migration
        if migration is not None:
            self.args = (f"{self.args[0]}\n{migration}",)

    def __reduce__(self) -> tuple[type[ImmutableChange], tuple[Sequence[Problem], Migration | None]]:
        return type(self), (self.problems, self.migration)


class EnvironmentFault(SixstackError):
    """A server, block or tool that sixstack needs is missing. The message says what is missing, and how to provide it where that is no part of it."""

    def __init__(self, found: str, hint: str = "") -> None:
        self.found, self.hint = without_control(found), without_control(hint)
        super().__init__(f"{found}. {hint}" if hint else found)

    def __reduce__(self) -> tuple[type[EnvironmentFault], tuple[str, str]]:
        return type(self), (self.found, self.hint)


class HostError(SixstackError):
    """The owner must fix one host. Has the host, what was found, and a hint."""

    def __init__(self, host: str, found: str, hint: str) -> None:
        self.host, self.found, self.hint = host, without_control(found), without_control(hint)
        super().__init__(f"{host}: {found}. {hint}" if hint else f"{host}: {found}")

    def __reduce__(self) -> tuple[type[HostError], tuple[str, str, str]]:
        return type(self), (self.host, self.found, self.hint)


class LoginRefused(HostError):
    """The host refuses the user, key, password or sudo."""


class HostKeyMismatch(HostError):
    """The host key differs from the pinned key, or from the key that was recorded on first use."""


class HostRefused(HostError):
    """The facts of the host forbid the plan. `problems` lists every reason."""

    def __init__(self, host: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(host, _listed("refused", self.problems), "")

    def __reduce__(self) -> tuple[type[HostError], tuple[str, Sequence[Problem]]]:  # type: ignore[override]
        return type(self), (self.host, self.problems)


class StepFailed(HostError):
    """The script of a step failed."""

    def __init__(self, host: str, found: str, hint: str, *, exit_code: int | None = None, output: str = "") -> None:
        self.exit_code, self.output = exit_code, output
        super().__init__(host, found, hint)


class Retryable(SixstackError):
    """A temporary error. Tasks retry only these errors."""


class HostUnreachable(Retryable):
    """The host cannot be reached, or the connection was lost."""

    def __init__(self, host: str, found: str, hint: str = "") -> None:
        self.host, self.found, self.hint = host, without_control(found), without_control(hint)
        super().__init__(f"{host}: {found}. {hint}" if hint else f"{host}: {found}")


class StepTimedOut(Retryable):
    """A step exceeded its time limit and was stopped."""


class HostBusy(Retryable):
    """Another run holds this host. The message names the run."""


class ApiUnavailable(Retryable):
    """The Kubernetes API server does not answer."""


class ClusterError(SixstackError):
    """The cluster differs from its spec. The message says which host or path differs and why."""


class FindingReported(ClusterError):
    """A check did its work and found something that has an event of its own. The automation for failed runs leaves these runs out by this name."""


class Bug(SixstackError):
    """An error in sixstack. Please report it."""


def _listed(headline: str, problems: Sequence[Problem]) -> str:
    return "\n".join([f"{headline} ({len(problems)}):", *(f"- {problem}" for problem in problems)])
