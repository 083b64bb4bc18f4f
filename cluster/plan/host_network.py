"""The plan of set-platform-host-network: each Deployment gets the host network, or its previous network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.outcome import StepOutcome

SET_HOST_NETWORK = "set-host-network"
UNDO_HOST_NETWORK = "undo-host-network"


def plan_host_network(cluster: str, deployments: Sequence[str], available_seconds: int, *, undo: bool, reason: str) -> Plan:
    """A step per Deployment (NAMESPACE/NAME); Deployments do not wait for each other."""
    plan = PlanBuilder(cluster)
    for name in deployments:
        values = {"deployment": name, "available_seconds": available_seconds}
        plan.add(UNDO_HOST_NETWORK if undo else SET_HOST_NETWORK, name.replace("/", "."), reason=reason, values=values)
    return plan.plan()


def host_network_summary(plan: Plan, outcomes: Mapping[str, StepOutcome], *, undo: bool) -> tuple[str, tuple[str, ...], bool]:
    """The result of a plan: text, the Deployments that it changed, and whether every step succeeded."""
    failed = [step.id for step in plan.steps if not outcomes[step.id].succeeded]
    changed = tuple(str(step.values["deployment"]) for step in plan.steps if outcomes[step.id].result)
    if failed:
        head = f"cluster {plan.cluster}: {len(failed)} of {len(plan.steps)} Deployments failed. Run this again to continue. `undo` restores them."
    else:
        head = f"cluster {plan.cluster}: all Deployments {'have their previous network' if undo else 'have the host network'}"
    return "\n".join([head, *_lines(plan, outcomes)]), changed, not failed


def restored_summary(plan: Plan, outcomes: Mapping[str, StepOutcome]) -> str:
    """Further lines: the result of restoring the changed Deployments after another one failed."""
    return "".join(f"\n{line} (restored, because another Deployment failed)" for line in _lines(plan, outcomes))


def _lines(plan: Plan, outcomes: Mapping[str, StepOutcome]) -> list[str]:
    ends = ((str(step.values["deployment"]), outcomes[step.id]) for step in plan.steps)
    return [f"- {name}: {end.failure or '; '.join(end.result) or 'unchanged'}" for name, end in ends]
