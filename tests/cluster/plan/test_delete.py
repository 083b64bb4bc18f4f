"""The plan of delete-cluster: hosts of this cluster are reset, all others are left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.facts.host_facts import HostFacts
from cluster.plan.delete import plan_delete
from tests.cluster.plan.test_create import FACTS, SPEC, bare, member, names


def test_every_host_is_reset_before_the_saved_kubeconfig_is_removed() -> None:
    """Hosts do not wait for each other; the kubeconfig stays while a host could not be reset."""
    plan = plan_delete(SPEC, FACTS)
    assert names(plan) == [("reset-host", "b"), ("reset-host", "a"), ("remove-kubeconfig", "cluster")]
    assert [step.needs for step in plan.steps] == [(), (), ("reset-host/b", "reset-host/a")]


@pytest.mark.parametrize(
    ("other", "note"),
    [
        (bare("b"), "b has nothing of cluster demo"),
        (replace(member("b"), owner="other"), "belongs to cluster other"),
        (replace(member("b"), foreign_authority=True), member("b").kubernetes.ca_hash or ""),
    ],
)
def test_a_host_of_others_is_a_note_and_left_alone(other: HostFacts, note: str) -> None:
    """A bare host, another cluster's host, and a host on which somebody made another cluster since."""
    plan = plan_delete(SPEC, {**FACTS, "b": other})
    assert names(plan) == [("reset-host", "a"), ("remove-kubeconfig", "cluster")]
    assert note in plan.notes[0]
