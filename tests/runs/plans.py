"""The plan that the executor's tests run."""

from __future__ import annotations

from cluster.plan.graph import Plan
from cluster.vocabulary.cni_kinds import CniKind
from tests.cluster.plan import test_graph


def new_cluster() -> Plan:
    """A new dual-stack cluster of three hosts with Calico, which has every kind of step."""
    return test_graph.new_cluster(test_graph.spec_of("dual-stack", CniKind.CALICO))
