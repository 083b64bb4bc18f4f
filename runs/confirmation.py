"""The parameter `confirm` of a flow that destroys: the name of the cluster, written again."""

from __future__ import annotations

from cluster.vocabulary.errors import SpecError
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.spec import ClusterSpec


class NotConfirmed(SpecError):
    """`confirm` is not the name of the cluster."""

    headline = "nothing was changed"


def require_confirmation(confirm: object, spec: ClusterSpec, action: str) -> None:
    """NotConfirmed unless `confirm` is the name of the cluster; `action` is for the hint: `delete`."""
    if confirm != spec.name:
        hint = f"Write `{spec.name}` to {action} this cluster."
        raise NotConfirmed([Problem("not-confirmed", "confirm", f"`{confirm}` is not the name of the cluster", hint)])
