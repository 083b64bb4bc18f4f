"""A run that is limited to some hosts: rules and plans see only these, and nothing misfires for the others."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.plan.create import plan_create
from cluster.plan.existing import observed_cluster
from cluster.plan.graph import Plan
from cluster.plan.immutable import immutable_changes
from cluster.plan.outcome import StepOutcome, create_summary
from cluster.plan.resolution import resolve, resolved_problems
from cluster.plan.selection import NotSelected, known_part, left_out, select_hosts
from cluster.rules.on_facts import check_facts
from cluster.rules.on_facts.host_paths import paths_to_probe
from cluster.vocabulary.spec import ClusterSpec
from tests.cluster.plan.test_create import FACTS, STATE, bare, member, names, node

OTHERS = tuple(f"w{number}" for number in range(1, 98))


def large() -> ClusterSpec:
    """A file with the control plane `a`, the worker `b`, and 97 workers whose addresses only they and the API server know."""
    host = {"role": "worker", "ssh": {"address": "198.18.1.1"}}
    return ClusterSpec.model_validate(
        {
            "name": "demo",
            "stack": "dual-stack",
            "hosts": [
                {"name": "a", "role": "control-plane", "ssh": {"address": "198.18.0.11"}, "addresses": ["198.18.0.11", "fd66::11"]},
                {"name": "b", "role": "worker", "ssh": {"address": "198.18.0.12"}, "addresses": ["198.18.0.12", "fd66::12"], "labels": {"rack": "x"}},
                *({**host, "name": name, "ssh": {"address": f"198.18.1.{number}"}} for number, name in enumerate(OTHERS, 1)),
            ],
            "network": {"pods": [{"cidr": "10.244.0.0/16"}, {"cidr": "fd44::/56"}], "services": ["10.96.0.0/16", "fd44:0:0:ffff::/112"]},
        }
    )  # fmt: skip


SPEC = large()
# nodes without machines: never Ready, and not labelled by sixstack
FAKES = tuple(
    NodeState(name, ready=False, reason="no machine", addresses=(ip_address(f"198.18.1.{number}"), ip_address(f"fd66::1:{number:x}")))
    for number, name in enumerate(OTHERS, 1)
)


def limited(found: dict[str, Any], state: ClusterState, spec: ClusterSpec = SPEC) -> Plan:
    """The plan of a run that is limited to `b`."""
    absent = left_out(spec, select_hosts(spec, ["b"]))
    known = known_part(spec, absent, state.nodes)
    return plan_create(resolve(known, found), found, {}, state, absent=absent)


def test_one_control_plane_and_the_named_hosts_are_selected() -> None:
    """In file order, without an empty selection meaning anything but all."""
    assert [host.name for host in select_hosts(SPEC, ["w7", "b", "w7"])] == ["a", "b", "w7"]
    assert [host.name for host in select_hosts(SPEC, ["a"])] == ["a"]
    assert select_hosts(SPEC, []) == SPEC.hosts
    assert left_out(SPEC, SPEC.hosts) == ()
    assert left_out(SPEC, select_hosts(SPEC, ["b"])) == OTHERS


@pytest.mark.parametrize(
    ("only", "codes"), [(["w777", "b", "x-y-z"], ["unknown-host", "unknown-host"]), ("b", ["wrong-type"]), ([7], ["wrong-type"]), (None, ["wrong-type"])]
)  # fmt: skip
def test_a_name_that_the_file_does_not_have_is_refused(only: Any, codes: list[str]) -> None:
    """All of them at once."""
    with pytest.raises(NotSelected) as refused:
        select_hosts(SPEC, only)
    assert [problem.code for problem in refused.value.problems] == codes


def test_hosts_that_are_left_out_have_the_addresses_of_their_nodes() -> None:
    """A host without a Node and without addresses in the file is not in the known part: nothing is known of it."""
    known = known_part(SPEC, OTHERS, FAKES[:5])
    assert [host.name for host in known.hosts] == ["a", "b", *OTHERS[:5]]
    assert known.host("w5").addresses == FAKES[4].addresses
    one_family = replace(FAKES[0], addresses=FAKES[0].addresses[:1])
    assert "w1" not in {host.name for host in known_part(SPEC, OTHERS, (one_family,)).hosts}
    # a named host gets its addresses from its facts
    assert known_part(SPEC, (), FAKES) == SPEC


def test_a_limited_run_plans_the_same_steps_in_a_cluster_of_3_and_of_99() -> None:
    """Only those of the new host, whatever the state of the others."""
    found = {"a": member("a"), "b": bare("b")}
    grown = replace(STATE, nodes=(node("a"), *FAKES))
    plan = limited(found, grown)
    small = limited(found, replace(STATE, nodes=(node("a"),)), SPEC.model_copy(update={"hosts": SPEC.hosts[:2]}))
    assert names(plan) == names(small)
    assert {subject for _, subject in names(plan)} == {"b", "cluster"}
    (check,) = [step for step in plan.steps if step.kind == "verify-network"]
    assert check.values["nodes"] == ["a", "b"]


def test_a_limited_run_finds_nothing_to_do_when_its_hosts_are_as_specified() -> None:
    """Other nodes may be anything: not Ready, not labelled, not remembered."""
    plan = limited(FACTS, replace(STATE, nodes=(*STATE.nodes, *FAKES)))
    assert plan.empty
    assert any(note.startswith("not inspected") and "w1, w2" in note and "w97" in note for note in plan.notes)
    assert not any("was not reached" in note or "is kept" in note for note in plan.notes)


def test_a_host_that_is_left_out_and_has_no_node_is_named_too() -> None:
    """It is not in the known part, and still in the note."""
    plan = limited(FACTS, replace(STATE, nodes=(*STATE.nodes, *FAKES[:5])))
    assert any(note.startswith("not inspected") and note.endswith("w97") for note in plan.notes)


def test_no_rule_misfires_for_hosts_that_are_left_out() -> None:
    """With the facts of two hosts of 99, the rules find what they find in the file of those two."""
    found = {"a": bare("a"), "b": bare("b")}

    def problems(spec: ClusterSpec) -> list[tuple[str, str]]:
        checked = check_facts(spec, found, bundle_architecture="amd64", bundle_size=0)
        return [(problem.code, problem.path) for problem in (*checked, *resolved_problems(spec, found))]

    pair = SPEC.model_copy(update={"hosts": SPEC.hosts[:2]})
    assert problems(known_part(SPEC, OTHERS, FAKES)) == problems(pair)
    assert paths_to_probe(SPEC, found) == paths_to_probe(pair, found)


def test_a_new_host_with_the_address_of_a_node_that_is_left_out_is_refused() -> None:
    """The Nodes are known without their machines."""
    known = known_part(SPEC, OTHERS, FAKES)
    clash = known.model_copy(
        update={
            "hosts": tuple(host.model_copy(update={"addresses": FAKES[0].addresses}) if host.name == "b" else host for host in known.hosts)
        }
    )
    existing = observed_cluster(clash, {"a": member("a"), "b": bare("b")}, replace(STATE, nodes=(node("a"), *FAKES)))
    assert [problem.path for problem in immutable_changes(clash, existing)] == ["hosts/b/name"]


def test_the_pod_network_is_not_compared() -> None:
    """Its MTU depends on all hosts. In a full run, the same state plans install-cni."""
    absent = left_out(SPEC, select_hosts(SPEC, ["b"]))
    resolved = resolve(known_part(SPEC, absent, FAKES), FACTS)
    state = replace(STATE, nodes=(*STATE.nodes, *FAKES), cni_digest="installed")
    assert "install-cni" not in {step.kind for step in plan_create(resolved, FACTS, {}, state, network=None, absent=absent).steps}
    assert "install-cni" in {step.kind for step in plan_create(resolved, FACTS, {}, state, network="of this file").steps}


def test_the_summary_counts_the_inspected_hosts_and_names_the_others() -> None:
    """No host that was not inspected is called joined."""
    plan = limited({"a": member("a"), "b": bare("b")}, replace(STATE, nodes=(node("a"), *FAKES)))
    text, succeeded = create_summary(SPEC, plan, {step.id: StepOutcome() for step in plan.steps}, OTHERS)
    assert succeeded
    assert text.splitlines()[:3] == ["cluster demo: 2 of 2 hosts joined", "- a: joined", "- b: joined"]
    assert f"- not inspected: {', '.join(OTHERS)}" in text.splitlines()
