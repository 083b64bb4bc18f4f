"""The plan and the summary of set-platform-host-network."""

from __future__ import annotations

from cluster.plan.host_network import host_network_summary, plan_host_network, restored_summary
from cluster.plan.outcome import StepOutcome
from cluster.vocabulary.errors import ClusterError

NAMES = ("tke/api", "tke/controller")
PLAN = plan_host_network("global", NAMES, 60, undo=False, reason="it was asked for")


def test_each_deployment_has_a_step_that_waits_for_no_other() -> None:
    """The subject is part of a record's path, so it has no slash."""
    assert [step.id for step in PLAN.steps] == ["set-host-network/tke.api", "set-host-network/tke.controller"]
    assert all(not step.needs and not step.after for step in PLAN.steps)
    undo = plan_host_network("global", NAMES, 60, undo=True, reason="it was asked for")
    assert {step.kind for step in undo.steps} == {"undo-host-network"}


def test_the_changes_of_a_run_are_reported_and_returned() -> None:
    """A Deployment that had the network already is unchanged."""
    outcomes = {PLAN.steps[0].id: StepOutcome(("host network",)), PLAN.steps[1].id: StepOutcome(())}
    text, changed, succeeded = host_network_summary(PLAN, outcomes, undo=False)
    assert (changed, succeeded) == (("tke/api",), True)
    assert text.splitlines() == [
        "cluster global: all Deployments have the host network",
        "- tke/api: host network",
        "- tke/controller: unchanged",
    ]


def test_a_failure_names_what_to_restore() -> None:
    """All or none: the Deployments that changed are restored."""
    outcomes = {PLAN.steps[0].id: StepOutcome(("host network",)), PLAN.steps[1].id: StepOutcome(None, ClusterError("not available"))}
    text, changed, succeeded = host_network_summary(PLAN, outcomes, undo=False)
    assert (changed, succeeded) == (("tke/api",), False)
    assert "1 of 2 Deployments failed" in text
    assert "- tke/controller: not available" in text
    back = plan_host_network("global", changed, 60, undo=True, reason="another Deployment failed")
    assert restored_summary(back, {back.steps[0].id: StepOutcome(("pod network",))}).startswith("\n- tke/api: pod network (restored")
