"""The plan of delete-cluster: hosts of this cluster are reset, all others are left alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cluster.facts.host_facts import HostFacts
from cluster.plan.copies import CopySettings
from cluster.plan.delete import delete_problems, owned_part, plan_delete, plan_free
from tests.cluster.plan.test_create import CA, FACTS, SPEC, bare, member, names


def test_every_host_is_reset_before_the_saved_kubeconfig_is_removed() -> None:
    """Hosts do not wait for each other; the kubeconfig stays while a host could not be reset."""
    plan = plan_delete(SPEC, FACTS, None)
    assert names(plan) == [("reset-host", "b"), ("reset-host", "a"), ("remove-kubeconfig", "cluster")]
    assert [step.needs for step in plan.steps] == [(), (), ("reset-host/b", "reset-host/a")]


def test_the_saved_kubeconfig_is_known_by_the_authority_of_the_hosts_or_by_the_control_plane() -> None:
    """The hosts of another cluster do not count."""
    (*_, last) = plan_delete(SPEC, FACTS, None).steps
    assert last.values == {"authorities": [CA], "endpoints": ["198.18.0.11:22"]}
    others = {name: replace(found, owner="other") for name, found in FACTS.items()}
    (last,) = plan_delete(SPEC, others, None).steps
    assert last.values == {"authorities": [], "endpoints": ["198.18.0.11:22"]}


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


WITH_DATA = {
    **FACTS,
    "a": replace(FACTS["a"], kubernetes=replace(FACTS["a"].kubernetes, etcd_data=True)),
    "b": replace(FACTS["b"], kubernetes=replace(FACTS["b"].kubernetes, private_keys=True)),
}
COPIES = CopySettings("off-site", test=True, only_last=True)


def test_no_host_is_reset_before_every_copy_is_stored() -> None:
    """Also not a host without anything to copy: a cluster without its workers is no cluster either."""
    plan = plan_delete(SPEC, WITH_DATA, COPIES)
    saved = ("save-copy/a", "save-copy/b")
    assert names(plan)[:2] == [("save-copy", "a"), ("save-copy", "b")]
    assert all(step.needs == saved for step in plan.steps if step.kind == "reset-host")
    only_seed = plan_delete(SPEC, {**FACTS, "a": WITH_DATA["a"]}, COPIES)
    assert {step.id: step.needs for step in only_seed.steps} == {
        "save-copy/a": (),
        "reset-host/b": ("save-copy/a",),
        "reset-host/a": ("save-copy/a",),
        "remove-kubeconfig/cluster": ("reset-host/b", "reset-host/a"),
    }
    assert plan.notes == ()


def test_freeing_hosts_follows_the_same_rule() -> None:
    """The copy has the name of the cluster that is removed."""
    of_other = {name: replace(found, owner="other") for name, found in WITH_DATA.items()}
    plan = plan_free(owned_part(SPEC, "other", of_other), of_other, COPIES)
    assert [(step.id, step.needs) for step in plan.steps[:3]] == [
        ("save-copy/a", ()),
        ("save-copy/b", ()),
        ("reset-host/a", ("save-copy/a", "save-copy/b")),
    ]
    assert plan.steps[0].values["cluster"] == "other"


def test_the_values_of_a_copy_are_plain_and_name_the_store() -> None:
    """No secret: the store's own options stay in the block."""
    values = plan_delete(SPEC, WITH_DATA, COPIES).steps[0].values
    assert json.loads(json.dumps(values)) == values
    assert (values["store"], values["test"], values["only_last"]) == ("off-site", True, True)


def test_data_that_is_removed_without_a_copy_is_a_note() -> None:
    """For each host that has some."""
    plan = plan_delete(SPEC, WITH_DATA, None)
    assert [step.kind for step in plan.steps] == ["reset-host", "reset-host", "remove-kubeconfig"]
    assert plan.notes == tuple(f"etcd's data and PKI of {name} are removed without a copy" for name in "ab")


def test_a_host_that_was_not_inspected_belongs_to_no_part() -> None:
    """Freeing hosts lists it as a problem."""
    assert owned_part(SPEC, "demo", {"a": FACTS["a"]}).hosts == SPEC.hosts[:1]
