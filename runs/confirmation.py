"""Parameters of a flow that destroys: the name of the cluster, written again, and switches."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.parameters import switch_problems
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec


class NotConfirmed(SpecError):
    """`confirm` is not the name of the cluster, or a switch is neither true nor false."""

    headline = "nothing was changed"


def require_confirmation(confirm: object, spec: ClusterSpec, action: str, **switches: object) -> None:
    """NotConfirmed unless `confirm` is the name of the cluster, and each switch true or false; `action` is for the hint: `delete`."""
    problems = []
    if confirm != spec.name:
        hint = f"Write `{spec.name}` to {action} this cluster."
        problems.append(Problem("not-confirmed", "confirm", f"`{confirm}` is not the name of the cluster", hint))
    problems += switch_problems(**switches)
    if problems:
        raise NotConfirmed(problems)
