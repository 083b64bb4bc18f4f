"""Parameters of a flow that destroys: the name of the cluster, written again, and switches."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.quoting import quoted
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
    for name, value in switches.items():
        if not isinstance(value, bool):  # the text `false` would be true
            problems.append(
                Problem("wrong-type", name, f"expected true or false, got {quoted(value)}", "write true or false, without quotes")
            )
    if problems:
        raise NotConfirmed(problems)
