"""The plan of remove-workers: from every state that an interrupted run can leave, only what is missing is planned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from cluster.facts.cluster_state import NodeState
from cluster.facts.host_facts import HostFacts
from cluster.plan.graph import Plan
from cluster.plan.outcome import StepOutcome, removal_summary
from cluster.plan.remove import (
    Members,
    RemovalRefused,
    RemovalSettings,
    control_plane_problems,
    hosts_to_remove,
    plan_removal,
    read_removal_parameters,
    removal_problems,
)
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.labels import CONTROL_PLANE_LABEL
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.remembered_hosts import decode_endpoint, encode_endpoint
from cluster.vocabulary.spec import SSH, Endpoint, Host, Role
from tests.cluster.plan.test_create import CA, SPEC, bare, member, names, node

SEED = replace(node("a"), labels={CONTROL_PLANE_LABEL: ""})
C = Host(name="c", role=Role.WORKER, ssh=SSH(address="198.18.0.13"))
WHOLE = SPEC.model_copy(update={"hosts": (*SPEC.hosts, C)})  # with a host that the file does not list
ENDPOINTS = {name: encode_endpoint(WHOLE.host(name).ssh) for name in ("a", "b", "c")}
NODE_C = NodeState("c", ready=True)
MEMBERS = Members((SEED, node("b"), NODE_C), ENDPOINTS)
OF_C = replace(member("b"), host="c", hostname="c")
FACTS = {"b": member("b"), "c": OF_C}
LIVING, DEAD, FORCE = RemovalSettings(), RemovalSettings(dead=True), RemovalSettings(force=True)


def planned(
    workers: tuple[str, ...],
    members: Members = MEMBERS,
    facts: Mapping[str, HostFacts] = FACTS,
    settings: RemovalSettings = LIVING,
    listed: tuple[str, ...] = ("a", "b"),
) -> Plan:
    """The plan that removes these workers."""
    return plan_removal(WHOLE, workers, members, facts, settings, listed)


def codes(workers: tuple[str, ...], members: Members = MEMBERS, facts: Mapping[str, HostFacts] = FACTS, **settings: bool) -> list[str]:
    """The codes of the problems that stop a removal."""
    return [problem.code for problem in removal_problems(WHOLE, workers, members, facts, RemovalSettings(**settings))]


def without(name: str, **changes: Any) -> Members:
    """The members without one Node."""
    return replace(MEMBERS, nodes=tuple(found for found in MEMBERS.nodes if found.name != name), **changes)


def test_a_worker_is_drained_then_its_node_goes_then_its_host_is_reset_then_it_is_forgotten() -> None:
    """Each step needs the ones before; workers do not wait for each other; values are plain."""
    plan = planned(("b", "c"))
    for name in ("b", "c"):
        assert {step.kind: step.needs for step in plan.steps_on(name)} == {
            "drain-node": (),
            "delete-node": (f"drain-node/{name}",),
            "reset-host": (f"delete-node/{name}",),
            "forget-host": (f"delete-node/{name}", f"reset-host/{name}"),
        }
    assert [step.kind for step in plan.steps_on("b")] == ["drain-node", "delete-node", "reset-host", "forget-host"]
    assert json.loads(json.dumps([dict(step.values) for step in plan.steps])) == [dict(step.values) for step in plan.steps]
    assert plan.steps_on("b")[0].values == {"seconds": 300, "force": False}


BARE_B = bare("b")
GONE = without("b")
FORGOTTEN = without("b", endpoints={})


@pytest.mark.parametrize(
    ("members", "found", "steps"),
    [
        (MEMBERS, member("b"), ["drain-node", "delete-node", "reset-host", "forget-host"]),
        (GONE, member("b"), ["reset-host", "forget-host"]),
        (GONE, BARE_B, ["forget-host"]),
        (MEMBERS, BARE_B, ["delete-node", "forget-host"]),
        (FORGOTTEN, BARE_B, []),
        (FORGOTTEN, member("b"), ["reset-host"]),
        (replace(FORGOTTEN, denied=frozenset({"b"})), BARE_B, ["forget-host"]),
        (MEMBERS, replace(member("b"), owner="other"), ["delete-node", "forget-host"]),
    ],
)
def test_a_run_after_an_interruption_does_only_what_is_missing(members: Members, found: HostFacts, steps: list[str]) -> None:
    """The Node may be gone and the host not reset, or the other way round; a host of another cluster is left alone."""
    plan = planned(("b",), members, {"b": found})
    assert [step.kind for step in plan.steps] == steps
    if not steps:
        assert any("removed already" in note for note in plan.notes)


def test_every_state_gives_a_plan_without_a_cycle() -> None:
    """Plan refuses a step that waits for a later or a missing one. Nothing is planned for another host."""
    count = 0
    for node_there, denied, known, dead, force in product((True, False), repeat=5):
        for found in (member("b"), bare("b"), replace(member("b"), owner="other"), None):
            if found is None and not dead:
                continue  # a problem stops the run
            members = Members(
                MEMBERS.nodes if node_there else (SEED,), ENDPOINTS if known else {}, frozenset({"b"}) if denied else frozenset()
            )
            plan = planned(("b",), members, {"b": found} if found else {}, RemovalSettings(dead=dead, force=force))
            assert {step.subject for step in plan.steps} <= {"b"}
            assert not dead or {step.kind for step in plan.steps} <= {"deny-node", "delete-node"}
            count += 1
    assert count > 100


def test_a_dead_host_is_denied_before_its_node_goes() -> None:
    """It may return at any time. The endpoint is kept for that case, and what remains on the machine is a note."""
    plan = planned(("b",), facts={}, settings=DEAD)
    assert names(plan) == [("deny-node", "b"), ("delete-node", "b")]
    assert plan.steps[1].needs == ("deny-node/b",)
    assert any("on the machine of b remain" in note for note in plan.notes)
    again = planned(("b",), replace(GONE, denied=frozenset({"b"})), {}, DEAD)
    assert again.empty
    assert any("removed already" in note for note in again.notes)


def test_a_dead_host_that_returned_is_reset_and_forgotten() -> None:
    """Without `dead`, and without a Node. Nothing is drained."""
    plan = planned(("b",), replace(GONE, denied=frozenset({"b"})))
    assert names(plan) == [("reset-host", "b"), ("forget-host", "b")]


def test_a_host_of_the_file_is_added_again_and_one_that_is_not_listed_is_not() -> None:
    """Said in a note, for dead hosts too."""
    for settings, facts in ((LIVING, FACTS), (DEAD, {})):
        notes = "\n".join(planned(("b", "c"), facts=facts, settings=settings).notes)
        assert "b is still in the file: the next create-cluster adds it again" in notes
        assert "c is still in the file" not in notes


def test_a_cluster_without_a_worker_is_a_note() -> None:
    """Pods have no node then."""
    assert any("no worker left" in note for note in planned(("b", "c")).notes)
    assert not any("no worker left" in note for note in planned(("b",)).notes)


def test_names_are_workers_of_the_file_of_the_cluster_or_remembered() -> None:
    """Every other name is a problem, all at once; the SSH endpoint of a host that the file does not list is the remembered one."""
    hosts, problems = hosts_to_remove(SPEC, ("b", "c", "a", "bb", "x"), MEMBERS)
    assert [(host.name, host.ssh.address) for host in hosts] == [("b", "198.18.0.12"), ("c", "198.18.0.13")]
    assert [(problem.code, problem.path) for problem in problems] == [
        ("control-plane-not-removed", "hosts/a"),
        ("unknown-worker", "hosts/bb"),
        ("unknown-worker", "hosts/x"),
    ]
    assert "`b`" in problems[1].hint


def test_a_control_plane_that_the_file_does_not_list_is_refused() -> None:
    """By the label of its Node, and by what its machine runs."""
    members = Members((replace(NODE_C, labels={CONTROL_PLANE_LABEL: ""}),), ENDPOINTS)
    assert [problem.code for problem in hosts_to_remove(SPEC, ("c",), members)[1]] == ["control-plane-not-removed"]
    runs_api = replace(OF_C, kubernetes=replace(OF_C.kubernetes, api_manifest=True))
    assert codes(("c",), facts={"c": runs_api}) == ["control-plane-not-removed"]


def test_a_node_without_a_known_machine_can_only_be_removed_as_dead() -> None:
    """A cluster from before endpoints were remembered."""
    members = Members((SEED, NodeState("d", ready=True)))
    assert hosts_to_remove(SPEC, ("d",), members) == ((), ())
    assert codes(("d",), members, {}) == ["no-ssh-endpoint"]
    assert codes(("d",), members, {}, dead=True) == []
    assert names(plan_removal(SPEC, ("d",), members, {}, DEAD)) == [("deny-node", "d"), ("delete-node", "d")]


def test_a_dead_host_that_answers_is_refused_unless_another_owner_has_the_machine() -> None:
    """A machine that was installed anew is not the host that died."""
    assert codes(("b",), dead=True) == ["host-answers"]
    assert codes(("b",), facts={"b": bare("b")}, dead=True) == []
    assert codes(("b",), facts={}, dead=True) == []


def test_a_host_that_was_not_reached_is_a_problem_unless_it_is_dead() -> None:
    """The hint names the way out."""
    lost = Problem("host-not-inspected", "hosts/b", "no route to host", "check the address")
    (problem,) = removal_problems(WHOLE, ("b",), MEMBERS, {}, LIVING, [lost])
    assert (problem.code, problem.path) == ("host-not-inspected", "hosts/b")
    assert problem.hint == "check the address; or, if the machine is lost, remove it as dead"
    assert list(removal_problems(WHOLE, ("b",), MEMBERS, {}, DEAD, [lost])) == []


def test_pods_of_a_host_without_a_kubelet_cannot_be_drained() -> None:
    """Evicted pods would never end. A host that was reset has no pods."""
    stopped = replace(member("b"), kubernetes=replace(member("b").kubernetes, kubelet_active=False))
    assert codes(("b",), facts={"b": stopped}) == ["kubelet-not-running"]
    assert codes(("b",), GONE, {"b": stopped}) == []
    assert codes(("b",), facts={"b": stopped}, force=True) == []
    assert codes(("b",), facts={"b": bare("b")}) == []
    plan = planned(("b",), facts={"b": stopped}, settings=FORCE)
    assert [step.kind for step in plan.steps] == ["delete-node", "reset-host", "forget-host"]
    assert any("not drained" in note for note in plan.notes)


def test_the_machine_of_another_node_is_not_reset() -> None:
    """An address that was given to another machine of the cluster since."""
    wrong = replace(OF_C, kubernetes=replace(OF_C.kubernetes, node_ips=node("b").addresses))
    for hostname in ("b", "any"):
        assert codes(("c",), facts={"c": replace(wrong, hostname=hostname)}) == ["another-node-at-endpoint"]
    right = replace(member("b"), kubernetes=replace(member("b").kubernetes, node_ips=node("b").addresses))
    assert codes(("b",), facts={"b": right}) == []


def test_a_machine_that_has_the_address_of_a_lost_node_is_not_reset_under_its_name() -> None:
    """c is lost, and b got its address. Both Nodes have it: the name of the kubelet decides which one the machine is."""
    shared = node("b").addresses
    members = replace(MEMBERS, nodes=(SEED, node("b"), replace(NODE_C, addresses=shared)))
    machine = replace(member("b"), hostname="b", kubernetes=replace(member("b").kubernetes, node_ips=shared))
    assert codes(("b",), members, {"b": machine}) == []
    assert codes(("c",), members, {"c": machine}) == ["another-node-at-endpoint"]
    assert codes(("c",), members, {"c": machine}, dead=True) == []
    assert names(planned(("c",), members, {"c": machine}, DEAD)) == [("deny-node", "c"), ("delete-node", "c")]
    named = replace(machine, hostname="any", kubernetes=replace(machine.kubernetes, node_name="b"))
    assert codes(("b",), members, {"b": named}) == []
    assert codes(("c",), members, {"c": named}) == ["another-node-at-endpoint"]


def test_the_worker_of_another_cluster_with_the_same_name_is_not_reset() -> None:
    """Clusters with one name differ by their certificate authority. As dead, only the Node goes."""
    other = replace(MEMBERS, authority="sha256:other")
    assert codes(("b",), replace(MEMBERS, authority=CA)) == []
    assert codes(("b",), other) == ["worker-of-another-cluster"]
    assert codes(("b",), other, dead=True) == []


def test_workers_are_only_removed_from_the_cluster_of_the_file() -> None:
    """The Nodes of another cluster, on the machine that the file names as control plane, may have the names of these workers."""
    seed = member("a")

    def found(facts: HostFacts) -> list[tuple[str, str]]:
        return [(problem.code, problem.path) for problem in control_plane_problems(SPEC, {"a": facts})]

    refused = [("removal-without-cluster", "hosts/a")]
    assert found(seed) == []
    assert found(replace(seed, owner="other")) == refused
    assert found(bare("a")) == refused
    assert found(replace(seed, kubernetes=replace(seed.kubernetes, admin_config=False))) == refused
    assert found(replace(seed, foreign_authority=True)) == refused
    assert list(control_plane_problems(SPEC, {})) == []  # a host that was not inspected has its own problem


def test_why_a_dead_host_was_not_inspected_is_a_note() -> None:
    """A host that refuses the login is not dead."""
    refused = Problem("host-not-inspected", "hosts/b", "the host refuses the key", "")
    plan = plan_removal(WHOLE, ("b",), MEMBERS, {}, DEAD, uninspected=[refused])
    assert "b was not inspected: the host refuses the key" in plan.notes


def test_another_node_that_is_still_cordoned_is_a_note() -> None:
    """The run that drained it was killed; a node that is removed now is not mentioned."""
    cordoned = replace(NODE_C, unschedulable=True, drain_unfinished=True)
    members = replace(MEMBERS, nodes=(SEED, node("b"), cordoned))
    assert any("node c is cordoned" in note for note in planned(("b",), members).notes)
    assert not any("cordoned" in note for note in planned(("c",), members).notes)


def test_a_host_with_another_authority_is_not_reset() -> None:
    """As in a deletion; only the named hosts count."""
    assert codes(("b",), facts={"b": replace(member("b"), foreign_authority=True), "c": OF_C}) == ["host-has-another-authority"]
    assert codes(("c",), facts={"b": replace(member("b"), foreign_authority=True), "c": OF_C}) == []


@pytest.mark.parametrize(
    ("parameters", "paths"),
    [
        ({"hosts": []}, ["hosts"]),
        ({"hosts": "b"}, ["hosts"]),
        ({"hosts": ["b", 7]}, ["hosts"]),
        ({"dead": "false"}, ["dead"]),
        ({"drain_seconds": True}, ["drain_seconds"]),
        ({"hosts": None, "force": 1, "dead": None, "drain_seconds": -1}, ["hosts", "dead", "force", "drain_seconds"]),
    ],
)
def test_parameters_of_another_type_are_all_reported(parameters: dict[str, Any], paths: list[str]) -> None:
    """Flows do not check types."""
    with pytest.raises(RemovalRefused) as refused:
        read_removal_parameters(**{"hosts": ["b"], "dead": False, "force": False, "drain_seconds": 300, **parameters})
    assert [problem.path for problem in refused.value.problems] == paths


def test_a_name_that_is_given_twice_is_removed_once() -> None:
    """The order stays."""
    workers, settings = read_removal_parameters(["c", "b", "c"], dead=False, force=True, drain_seconds=0)
    assert (workers, settings) == (("c", "b"), RemovalSettings(force=True, drain_seconds=0))


def test_the_summary_names_what_was_not_removed_and_why() -> None:
    """The first step that failed, not the steps that waited for it."""
    plan = planned(("b", "c"))
    ended = {step.id: StepOutcome() for step in plan.steps}
    text, succeeded = removal_summary(plan, ("b", "c"), ended)
    assert succeeded
    assert text.startswith("cluster demo: 2 of 2 workers removed\n- b: removed\n- c: removed\n")
    text, succeeded = removal_summary(plan, ("b", "c"), {**ended, "drain-node/b": StepOutcome(None, ClusterError("pod x is blocked"))})
    assert not succeeded
    assert "1 of 2 workers removed" in text
    assert "- b: NOT removed: pod x is blocked" in text


@pytest.mark.parametrize(
    "ssh",
    [
        SSH(address="fd66::11"),
        SSH(
            address="host.example",
            port=2222,
            user="ops",
            credential="other",
            host_key="ssh-ed25519 AAAA",
            jump=Endpoint(address="192.0.2.1"),
        ),
    ],
)
def test_a_remembered_endpoint_is_the_one_of_the_file(ssh: SSH) -> None:
    """Encoded and decoded again."""
    assert decode_endpoint(encode_endpoint(ssh)) == ssh
    assert "\n" not in encode_endpoint(ssh)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"address": 7}', '{"address": "a", "more": 1}', "{", "null"])
def test_what_is_no_endpoint_is_not_decoded(text: str) -> None:
    """Anyone with rights on the ConfigMap may have changed it."""
    assert decode_endpoint(text) is None
