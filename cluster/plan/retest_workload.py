"""The plan of the flow retest-workload: one step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cluster.plan.graph import Plan, PlanBuilder

PLACE_WORKLOAD = "place-workload"
CHANGE_WORKLOAD = "change-workload"
COMPARE_WORKLOAD = "compare-workload"


def plan_workload(cluster: str, kind: str, before: Mapping[str, Any] | None = None) -> Plan:
    """One of the three steps. `before`: the state at the backup, which COMPARE_WORKLOAD needs."""
    plan = PlanBuilder(cluster)
    plan.add(kind, reason="part of a retest with a restore", values={} if before is None else {"before": before})
    return plan.build()
