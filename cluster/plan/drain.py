"""Draining a node: the kind of the step, its values, and the problems that stop it before a pod is evicted."""

from __future__ import annotations

from typing import Any

DRAIN_NODE = "drain-node"

# seconds until a drain gives up: longer than most pods take to stop (their default grace period is 30 s) and than a rollout elsewhere takes
DRAIN_SECONDS = 300

# problems of a drain; docs/reference/problems.md lists them
NOT_DRAINED = {
    "unmanaged-pod": "A pod on the node has no controller that creates it again elsewhere.",
    "pod-with-local-data": "A pod on the node has an emptyDir volume, whose data is lost with the pod.",
}


def drain_values(seconds: int, *, force: bool) -> dict[str, Any]:
    """For the step drain-node: its time limit; `force` deletes unmanaged pods, local data, and pods that budgets still protect at the limit."""
    return {"seconds": seconds, "force": force}
