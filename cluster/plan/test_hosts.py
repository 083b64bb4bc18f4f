"""The plan of mark-test-hosts: each host of a cluster file gets the marker of a test host, or loses it."""

from __future__ import annotations

from collections.abc import Mapping

from cluster.facts.host_facts import HostFacts
from cluster.plan.graph import Plan, PlanBuilder
from cluster.plan.outcome import StepOutcome, failure_on
from cluster.vocabulary.spec import ClusterSpec

MARK_TEST_HOST = "mark-test-host"
UNMARK_TEST_HOST = "unmark-test-host"


def plan_test_hosts(spec: ClusterSpec, facts: Mapping[str, HostFacts], *, undo: bool) -> Plan:
    """A step for each host that is not yet as requested; hosts do not wait for each other."""
    plan = PlanBuilder(spec.name)
    for host in spec.hosts:
        if facts[host.name].test_host is not bool(undo):  # flows do not check the types of parameters
            continue
        reason = f"{host.name} is to be {'a test host no more' if undo else 'a test host'}"
        plan.add(UNMARK_TEST_HOST if undo else MARK_TEST_HOST, host.name, reason=reason)
    notes = []
    if not undo and not spec.test_hosts:
        notes.append("the cluster file does not have `test_hosts: true`: retest-clusters needs this too")
    return plan.build(notes)


def test_hosts_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome], *, undo: bool) -> tuple[str, bool]:
    """The result of a plan, and whether every step succeeded."""
    state = "not a test host" if undo else "a test host"
    lines = [f"cluster {spec.name}: {len(plan.steps)} of {len(spec.hosts)} hosts changed"]
    failures = {host.name: failure_on(plan, outcomes, host.name) for host in spec.hosts}
    lines += [f"- {name}: {state}" if failure is None else f"- {name}: FAILED: {failure}" for name, failure in failures.items()]
    return "\n".join([*lines, *(f"- {note}" for note in plan.notes)]), all(outcome.succeeded for outcome in outcomes.values())
