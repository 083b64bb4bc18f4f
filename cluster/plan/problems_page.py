"""What a failed run reports: each problem with its code, where it is, what was found and the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cluster.vocabulary.errors import EnvironmentFault, HostError, HostUnreachable, SixstackError
from cluster.vocabulary.markdown import escape
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.redaction import redact

_CAPITAL = re.compile(r"(?<!^)(?<![A-Z])(?=[A-Z])")


def problems_in(error: BaseException, at: str, cluster: str) -> tuple[Problem, ...]:
    """The problems that an error lists, else the error as one problem. `at`: where it happened, if the error does not say."""
    listed = getattr(error, "problems", ())
    if listed:
        return tuple(listed)
    code = _CAPITAL.sub("-", type(error).__name__).lower()
    if isinstance(error, HostError | HostUnreachable):
        return (Problem(code, f"hosts/{error.host}", redact(error.found), redact(error.hint) or _audit(cluster)),)
    if isinstance(error, EnvironmentFault):
        return (Problem(code, at, redact(error.found), redact(error.hint) or "Provide it and run again."),)
    if isinstance(error, SixstackError):
        return (Problem(code, at, redact(str(error)), _audit(cluster)),)
    return (Problem("unexpected-error", at, redact(f"{type(error).__name__}: {error}"), f"The log has the traceback. {_audit(cluster)}"),)


def problems_page(cluster: str, problems: Sequence[Problem]) -> str:
    """A numbered list. The V1 UI wraps no cell of a table: of a table with this text, the remedies are outside the page."""
    items = (
        f"{number}. **{_shown(problem.path)}**: {_shown(problem.message)}\n\n"
        f"   Remedy: {_shown(problem.hint)}\n\n"
        f"   Code: {_shown(problem.code)}"
        for number, problem in enumerate(problems, 1)
    )
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return "\n\n".join([f"# {count} of the run on cluster {escape(cluster)}", *items])


def _shown(text: str) -> str:
    return escape(redact(text))


def _audit(cluster: str) -> str:
    return f"The complete output of every step: sixstack audit {cluster}"
