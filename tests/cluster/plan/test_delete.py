"""The plan of delete-cluster: hosts of this cluster are reset, all others are left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.facts.host_facts import HostFacts
from cluster.plan.delete import delete_problems, owned_part, plan_delete, plan_free
from tests.cluster.plan.test_create import CA, FACTS, SPEC, bare, member, names


def test_every_host_is_reset_before_the_saved_kubeconfig_is_removed() -> None:
    """Hosts do not wait for each other; the kubeconfig stays while a host could not be reset."""
    plan = plan_delete(SPEC, FACTS, None)
    assert names(plan) == [("reset-host", "b"), ("reset-host", "a"), ("remove-kubeconfig", "cluster")]
    assert [step.needs for step in plan.steps] == [(), (), ("reset-host/b", "reset-host/a")]


@pytest.mark.parametrize(
    ("other", "note"),
    [
        (bare("b"), "b has nothing of cluster demo"),
        (replace(member("b"), owner="other"), "belongs to cluster other"),
    ],
)
def test_a_host_of_others_is_a_note_and_left_alone(other: HostFacts, note: str) -> None:
    """A bare host, and a host of another cluster."""
    plan = plan_delete(SPEC, {**FACTS, "b": other}, None)
    assert names(plan) == [("reset-host", "a"), ("remove-kubeconfig", "cluster")]
    assert note in plan.notes[0]


def test_a_host_with_the_certificate_authority_of_another_cluster_is_a_problem() -> None:
    """The marker names this cluster, and another cluster was created on the host since: nothing is deleted until its owner decides."""
    (problem,) = delete_problems(SPEC, {**FACTS, "b": replace(member("b"), foreign_authority=True)})
    assert (problem.code, problem.path) == ("host-has-another-authority", "hosts/b")
    assert "/var/lib/sixstack/authority" in problem.hint
    assert delete_problems(SPEC, FACTS) == ()
    assert delete_problems(SPEC, {**FACTS, "b": replace(member("b"), owner="other", foreign_authority=True)}) == ()


def test_freeing_hosts_removes_the_kubeconfig_only_with_the_control_plane() -> None:
    """A cluster may have further hosts, whose API server still runs."""
    of_other = {name: replace(found, owner="other") for name, found in FACTS.items()}
    whole = owned_part(SPEC, "other", of_other)
    assert (whole.name, [host.name for host in whole.hosts]) == ("other", ["a", "b"])
    assert names(plan_free(whole, of_other, None)) == [("reset-host", "a"), ("reset-host", "b"), ("remove-kubeconfig", "cluster")]
    assert plan_free(whole, of_other, None).steps[-1].values == {"authorities": [CA]}
    worker = owned_part(SPEC, "other", {**FACTS, "b": of_other["b"]})
    assert names(plan_free(worker, of_other, None)) == [("reset-host", "b")]
    assert plan_free(worker, of_other, None).steps[0].values["cluster"] == "other"
