"""The order of a retest run: clusters that share a machine run one after another, others at the same time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.retests.order import Candidate, RetestSettings, plan_retests


def candidate(name: str, *machines: str) -> Candidate:
    """A cluster on these machines."""
    return Candidate(name, "ipv4", frozenset(machines))


def test_clusters_on_the_same_machines_run_in_the_order_given() -> None:
    """Each waits until the others have ended, whatever their result."""
    plan = plan_retests(
        [candidate("a", "1", "2"), candidate("b", "2", "3"), candidate("c", "4"), candidate("d", "3", "4")], RetestSettings()
    )
    assert {step.subject: (step.needs, step.after) for step in plan.steps} == {
        "a": ((), ()),
        "b": ((), ("retest-cluster/a",)),
        "c": ((), ()),
        "d": ((), ("retest-cluster/b", "retest-cluster/c")),
    }


@given(st.lists(st.frozensets(st.sampled_from("12345"), max_size=3), max_size=8))
def test_no_two_clusters_use_a_machine_at_the_same_time(machines: list[frozenset[str]]) -> None:
    """For any clusters: those with a common machine are ordered, directly or through others."""
    plan = plan_retests([Candidate(f"c{n}", "ipv4", found) for n, found in enumerate(machines)], RetestSettings())
    before: dict[str, set[str]] = {}
    for step in plan.steps:
        waits = {*step.needs, *step.after}
        before[step.id] = waits | {earlier for one in waits for earlier in before[one]}
    for n, found in enumerate(machines):
        for m in range(n):
            if found & machines[m]:
                assert f"retest-cluster/c{m}" in before[f"retest-cluster/c{n}"]


def test_a_machine_that_does_not_tell_its_id_may_be_any_other() -> None:
    """It may have another address in the other file; a cluster without readable machines waits for nobody."""
    hidden = Candidate("hidden", "ipv6", frozenset({"fd66::11 port 22"}), identified=False)
    plan = plan_retests([candidate("a", "1"), hidden, candidate("b", "2"), Candidate("broken")], RetestSettings())
    assert {step.subject: step.after for step in plan.steps} == {
        "a": (),
        "hidden": ("retest-cluster/a",),
        "b": ("retest-cluster/hidden",),
        "broken": (),
    }
