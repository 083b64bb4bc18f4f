"""Hosts of a cluster that the file of a delete does not list."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from cluster.facts.cluster_state import ClusterState, NodeState
from cluster.plan.delete import plan_delete
from cluster.plan.notes import unchanged_nodes
from cluster.plan.remove import Members
from cluster.plan.unlisted import Unlisted, has_api, unlisted_hosts, unlisted_notes, unlisted_problems
from cluster.vocabulary.remembered_hosts import encode_endpoint
from cluster.vocabulary.spec import SSH
from tests.cluster.plan.test_create import FACTS, SPEC, bare

ENDPOINT = encode_endpoint(SSH(address="fd00::33", user="ops", host_key="trust-on-first-use"))
C = NodeState("c", ready=True, addresses=(ip_address("fd00::3"),))
LISTED = (NodeState("a", ready=True), NodeState("b", ready=True))
OLDER = (Unlisted("c", "node Ready"),)


def codes(unlisted: tuple[Unlisted, ...] | None, leave_out: Any = ()) -> list[str]:
    """The codes of the problems."""
    return [problem.code for problem in unlisted_problems(SPEC, unlisted, leave_out)]


def test_nodes_and_remembered_hosts_outside_the_file_are_found() -> None:
    """With what is known of them: the addresses of the Node, and the SSH endpoint, also after the Node was deleted with kubectl."""
    members = Members((*LISTED, C), {"a": ENDPOINT, "c": ENDPOINT, "gone": ENDPOINT})
    assert unlisted_hosts(SPEC, members) == (
        Unlisted("c", "node Ready, fd00::3; SSH ops@[fd00::33]:22"),
        Unlisted("gone", "its Node was deleted; SSH ops@[fd00::33]:22"),
    )


def test_a_host_that_was_removed_as_dead_is_not_listed() -> None:
    """It was left out when it was removed."""
    assert unlisted_hosts(SPEC, Members(LISTED, {"dead": ENDPOINT}, frozenset({"dead"}))) == ()


def test_a_delete_with_an_older_file_is_refused_until_the_host_is_left_out() -> None:
    """The problem names the host, and what to write."""
    (problem,) = unlisted_problems(SPEC, OLDER, [])
    assert (problem.code, problem.path) == ("unlisted-host", "hosts/c")
    assert "--leave-out c" in problem.hint
    assert "sixstack remove demo c" in problem.hint
    assert codes(OLDER, ["c"]) == []
    assert "c was left out" in plan_delete(SPEC, FACTS, None, unlisted_notes(OLDER)).notes[0]


@pytest.mark.parametrize("leave_out", [["c", "a"], ["c", "cc"]])
def test_only_hosts_outside_the_file_are_left_out(leave_out: list[str]) -> None:
    """A host of the file, and a typing error."""
    assert codes(OLDER, leave_out) == ["not-left-out"]


@pytest.mark.parametrize("leave_out", ["c", [1], None, {"c": 1}])
def test_another_type_is_a_problem(leave_out: object) -> None:
    """The text `c` is a sequence of names too."""
    assert codes(OLDER, leave_out) == ["wrong-type"]


def test_without_an_answer_of_the_api_server_the_delete_continues_and_says_so() -> None:
    """A broken cluster can be deleted. A name to leave out cannot be checked then."""
    assert codes(None) == []
    assert codes(None, ["c"]) == []
    assert "unknown" in next(unlisted_notes(None))


def test_only_the_api_server_of_this_cluster_is_asked() -> None:
    """The nodes of another cluster on the same machine are no hosts of this one."""
    control_plane = replace(FACTS["a"], kubernetes=replace(FACTS["a"].kubernetes, admin_config=True))
    assert has_api(SPEC, {"a": control_plane})
    assert not has_api(SPEC, {"a": replace(control_plane, owner="other")})
    assert not has_api(SPEC, {"a": replace(control_plane, foreign_authority=True)})
    assert not has_api(SPEC, {"a": bare("a")})
    assert not has_api(SPEC, {})


def test_a_host_whose_node_was_deleted_stays_known_in_every_plan() -> None:
    """Also after its host left the file. A remembered host of the file, or with a Node, needs no such note."""
    state = ClusterState(nodes=(*LISTED, C), endpoints={"a": ENDPOINT, "c": ENDPOINT, "gone": ENDPOINT})
    (of_node, of_host) = unchanged_nodes(SPEC, state)
    assert "node c " in of_node
    assert "sixstack remove demo gone" in of_host
