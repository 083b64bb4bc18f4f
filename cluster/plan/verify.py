"""The plan of verify-cluster: one step."""

from __future__ import annotations

from cluster.file.verify_parameters import Verification
from cluster.plan.create import VERIFY_NETWORK
from cluster.plan.graph import Plan, PlanBuilder


def plan_verify(verification: Verification) -> Plan:
    """Check the complete network of a cluster, on every node."""
    plan = PlanBuilder(verification.cluster)
    values = {
        "image": verification.image,
        "namespace": verification.namespace,
        "outside": [str(address) for address in verification.outside],
    }
    plan.add(VERIFY_NETWORK, reason="requested by the run", values=values)
    return plan.plan()
