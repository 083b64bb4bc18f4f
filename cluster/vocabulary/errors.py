"""The one exception tree, cut by what the caller can do.

SixstackError
├── SpecError            fix the cluster file (or another input): nothing was touched
│   └── NotPossible          or fix the hosts: the file does not fit them, or some cannot be looked at
│       └── NotChangeable        or migrate by hand: the cluster that is there cannot become the one in the file
├── EnvironmentFault     fix the place we run at: no Prefect server, no block, no tool
├── HostError            fix the host: retrying as it is cannot help
│   ├── LoginRefused         user, key, password, passphrase or sudo
│   ├── HostKeyMismatch      the pinned key is not the one the host shows
│   ├── HostRefused          the host's state forbids it (problems listed)
│   └── StepFailed           a step's script ended with an error that will not pass by itself
├── TryAgain             may pass by itself: tasks retry exactly these
│   ├── HostUnreachable      no connection, or it was lost
│   ├── StepTimedOut         a time limit ended the step
│   ├── HostBusy             another run holds the host
│   └── ApiUnavailable       the Kubernetes API does not answer (yet)
├── ClusterError         the cluster is not as asked: nodes not ready, network check red
└── Bug                  our fault: report it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cluster.vocabulary.problems import Problem

if TYPE_CHECKING:
    from cluster.vocabulary.migration import Migration


class SixstackError(Exception):
    """Everything this project raises on purpose."""


class SpecError(SixstackError):
    """The input is wrong; `problems` lists everything at once."""

    headline = "the cluster file has problems"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(_listed(self.headline, self.problems))


class CannotApply(SpecError):
    """The file is well in itself, and does not fit these hosts or this cluster: mend the one or the other."""

    headline = "the cluster file does not fit the hosts or the existing cluster; no host was changed"


class ImmutableChange(CannotApply):
    """The cluster that is there cannot become the one in the file; `migration`: what that asks for by hand, where families or ranges change."""

    def __init__(self, problems: Sequence[Problem], migration: Migration | None) -> None:
        super().__init__(problems)
        self.migration = migration
        if migration is not None:
            self.args = (f"{self.args[0]}\n{migration}",)

    def __reduce__(self) -> tuple[type[ImmutableChange], tuple[Sequence[Problem], Migration | None]]:
        return type(self), (self.problems, self.migration)


class EnvironmentFault(SixstackError):
    """Something this program needs around it is missing; the message says what and how to get it."""


class HostError(SixstackError):
    """One host must be mended by its owner: names the host, what was found and what to do."""

    def __init__(self, host: str, found: str, hint: str) -> None:
        self.host, self.found, self.hint = host, found, hint
        super().__init__(f"{host}: {found}. {hint}" if hint else f"{host}: {found}")

    def __reduce__(self) -> tuple[type[HostError], tuple[str, str, str]]:
        return type(self), (self.host, self.found, self.hint)


class LoginRefused(HostError):
    """The host answers and refuses this user, key, password or sudo."""


class HostKeyMismatch(HostError):
    """The host shows another key than the one that is pinned."""


class HostRefused(HostError):
    """Facts of the host forbid the plan; `problems` lists them all."""

    def __init__(self, host: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(host, _listed("refused", self.problems), "")

    def __reduce__(self) -> tuple[type[HostError], tuple[str, Sequence[Problem]]]:  # type: ignore[override]
        return type(self), (self.host, self.problems)


class StepFailed(HostError):
    """A step's script ended with an error."""

    def __init__(self, host: str, found: str, hint: str, *, exit_code: int | None = None, output: str = "") -> None:
        self.exit_code, self.output = exit_code, output
        super().__init__(host, found, hint)


class Retryable(SixstackError):
    """May pass by itself; the only errors that tasks retry."""


class HostUnreachable(Retryable):
    """No connection to the host, or it was lost in the middle."""

    def __init__(self, host: str, found: str, hint: str = "") -> None:
        self.host, self.found, self.hint = host, found, hint
        super().__init__(f"{host}: {found}. {hint}" if hint else f"{host}: {found}")


class StepTimedOut(Retryable):
    """A step did not end within its time limit and was stopped."""


class HostBusy(Retryable):
    """Another run works on this host; the message names it."""


class ApiUnavailable(Retryable):
    """The Kubernetes API server does not answer."""


class ClusterError(SixstackError):
    """The cluster is not as it was asked for; the message says which host or path and why."""


class Bug(SixstackError):
    """A state that must not be; please report it."""


def _listed(headline: str, problems: Sequence[Problem]) -> str:
    return "\n".join([f"{headline} ({len(problems)}):", *(f"- {problem}" for problem in problems)])
