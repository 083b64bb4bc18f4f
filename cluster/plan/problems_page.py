"""What a failed run reports: each problem with its code, where it is, what was found and the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cluster.vocabulary.errors import HostError, HostUnreachable, SixstackError
from cluster.vocabulary.markdown import escape, table
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
    if isinstance(error, SixstackError):
        return (Problem(code, at, redact(str(error)), _audit(cluster)),)
    return (Problem("unexpected-error", at, redact(f"{type(error).__name__}: {error}"), f"The log has the traceback. {_audit(cluster)}"),)


def problems_page(cluster: str, problems: Sequence[Problem]) -> str:
    """A row for each problem."""
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    rows = [[escape(cell) for cell in (problem.code, problem.path, problem.message, problem.hint)] for problem in problems]
    return f"# {count} of the run on cluster {escape(cluster)}\n\n{table(('code', 'where', 'what', 'remedy'), rows)}"


def _audit(cluster: str) -> str:
    return f"The complete output of every step: sixstack audit {cluster}"
