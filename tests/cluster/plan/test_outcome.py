"""The summaries of runs, from how the steps of a plan ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.plan.copies import CopySettings
from cluster.plan.create import plan_create
from cluster.plan.delete import plan_delete
from cluster.plan.graph import Plan
from cluster.plan.outcome import (
    NotStarted,
    StepOutcome,
    create_summary,
    delete_summary,
    failure_on,
    renewal_summary,
    restore_summary,
    resume_failure,
    upgrade_summary,
)
from cluster.plan.renew import RenewalSettings, plan_renew
from cluster.plan.restore import LiveKeys, plan_restore
from cluster.plan.upgrade import UpgradeSettings, plan_resume
from cluster.vocabulary.cni_kinds import CniKind
from cluster.vocabulary.errors import ClusterError, HostError
from tests.cluster.plan.certificates import FRESH, NOW
from tests.cluster.plan.test_create import FACTS, SPEC, bare
from tests.cluster.plan.test_restore import COPY as RESTORED_COPY
from tests.cluster.plan.test_restore import KEYS, SOURCE
from tests.cluster.plan.test_restore import WITH_DATA as RESTORED_FACTS
from tests.cluster.plan.test_upgrade import Simulated, cluster_of

PLAN = plan_create(SPEC, {"a": bare("a"), "b": bare("b")}, {}, None)
DISK = HostError("b", "its disk is full", "make room")


def ended(plan: Plan, errors: dict[str, BaseException]) -> dict[str, StepOutcome]:
    """Every step succeeded, but for those with an error."""
    return {step.id: StepOutcome(None, errors.get(step.id)) for step in plan.steps}


def test_a_cluster_that_was_made_has_a_line_per_host() -> None:
    """No line says what to do next: nothing is left to do."""
    text, succeeded = create_summary(SPEC, PLAN, ended(PLAN, {}))
    assert succeeded
    assert text.splitlines() == ["cluster demo: 2 of 2 hosts joined", "- a: joined", "- b: joined"]


def test_a_host_that_failed_is_named_with_the_step_that_failed_and_not_with_those_that_waited() -> None:
    """Steps that were not started have no reason of their own."""
    late = {f"{kind}/b": NotStarted("not started") for kind in ("join-worker", "label-node", "wait-ready")}
    text, succeeded = create_summary(SPEC, PLAN, ended(PLAN, {"load-bundle/b": DISK, **late}))
    assert not succeeded
    assert "cluster demo: 1 of 2 hosts joined" in text
    assert "- b: NOT joined: b: its disk is full. make room" in text
    assert text.splitlines()[-1] == "Run the flow again: it does only what is missing."


@pytest.mark.parametrize("step", [step.id for step in PLAN.steps])
def test_any_failed_step_makes_the_run_fail_and_is_in_the_summary(step: str) -> None:
    """No failure is lost, whichever step it is."""
    text, succeeded = create_summary(SPEC, PLAN, ended(PLAN, {step: ClusterError(f"the reason of {step}")}))
    assert not succeeded
    assert f"the reason of {step}" in text


def test_a_check_that_was_not_started_is_in_the_summary() -> None:
    """A reader must not take the silence for a green check."""
    text, succeeded = create_summary(
        SPEC, PLAN, ended(PLAN, {"wait-dns/cluster": ClusterError("late"), "verify-network/cluster": NotStarted("not started")})
    )
    assert not succeeded
    assert "- wait-dns failed: late" in text
    assert "- verify-network: not started" in text


def test_secrets_do_not_reach_a_summary() -> None:
    """An error's text is redacted."""
    error = ClusterError("kubeadm join --token abcdef.0123456789abcdef failed")
    assert "0123456789abcdef" not in create_summary(SPEC, PLAN, ended(PLAN, {"join-worker/b": error}))[0]


def test_the_summary_without_a_pod_network_has_a_hint() -> None:
    """Nodes stay NotReady."""
    spec = SPEC.model_copy(update={"cni": SPEC.cni.model_copy(update={"kind": CniKind.NONE})})
    plan = plan_create(spec, {"a": bare("a"), "b": bare("b")}, {}, None)
    assert "until you apply one" in create_summary(spec, plan, ended(plan, {}))[0]


def test_a_deleted_cluster_names_its_hosts_and_notes() -> None:
    """Hosts that were left alone are named with the reason."""
    plan = plan_delete(SPEC, {**FACTS, "b": bare("b")}, None)
    text, succeeded = delete_summary(SPEC, plan, ended(plan, {}))
    assert succeeded
    assert text.splitlines() == ["cluster demo is deleted from a", "- b has nothing of cluster demo"]


def test_a_host_that_could_not_be_reset_is_named() -> None:
    """The kubeconfig stays, and is not said to have failed."""
    plan = plan_delete(SPEC, FACTS, None)
    text, succeeded = delete_summary(SPEC, plan, ended(plan, {"reset-host/b": DISK, "remove-kubeconfig/cluster": NotStarted("")}))
    assert not succeeded
    assert text.splitlines() == ["cluster demo is not fully deleted; run this again to continue:", "- b: b: its disk is full. make room"]


def test_a_subject_without_steps_has_no_failure() -> None:
    """A host that needed nothing is part of the cluster."""
    assert failure_on(Plan("demo"), {}, "a") is None


COPY = "a snapshot of etcd and PKI, saved at /srv/backups/demo/x.tar.zst.age"
WITH_DATA = {name: replace(found, kubernetes=replace(found.kubernetes, etcd_data=True)) for name, found in FACTS.items()}


def test_a_deleted_cluster_names_its_copies() -> None:
    """With the place of each."""
    plan = plan_delete(SPEC, WITH_DATA, CopySettings("default"))
    outcomes = {**ended(plan, {}), "save-copy/a": StepOutcome(COPY)}
    text, succeeded = delete_summary(SPEC, plan, outcomes)
    assert succeeded
    assert text.splitlines() == ["cluster demo is deleted from a, b", f"- copy of a: {COPY}"]


def test_a_cluster_whose_copy_could_not_be_saved_is_not_deleted() -> None:
    """The copies of other hosts are named all the same, and hosts that waited are not."""
    plan = plan_delete(SPEC, WITH_DATA, CopySettings("default"))
    late = {step.id: NotStarted("not started") for step in plan.steps if step.kind != "save-copy"}
    outcomes = {**ended(plan, {"save-copy/b": DISK, **late}), "save-copy/a": StepOutcome(COPY)}
    text, succeeded = delete_summary(SPEC, plan, outcomes)
    assert not succeeded
    assert text.startswith("cluster demo is not deleted, and no host was reset")
    assert "- b: b: its disk is full. make room" in text
    assert f"- copy of a: {COPY}" in text
    assert "--without-copy" in text
    assert "not started" not in text


def test_the_copy_is_named_when_a_reset_fails_after_it() -> None:
    """It has what the host lost."""
    plan = plan_delete(SPEC, WITH_DATA, CopySettings("default"))
    text, succeeded = delete_summary(SPEC, plan, {**ended(plan, {"reset-host/a": DISK}), "save-copy/a": StepOutcome(COPY)})
    assert not succeeded
    assert "is not fully deleted" in text
    assert f"- copy of a: {COPY}" in text


UPGRADE = Simulated(cluster_of(1, 3)).plan(UpgradeSettings(max_unavailable=2))
UPGRADED = cluster_of(1, 3)


def test_a_finished_upgrade_names_the_version_and_the_copy() -> None:
    """The owner finds the copy of etcd's data in the last lines."""
    outcomes = {**ended(UPGRADE, {}), "save-copy/cp-1": StepOutcome("stored at x")}
    text, succeeded = upgrade_summary(UPGRADED, UPGRADE, outcomes, {})
    assert succeeded
    assert text.splitlines() == [f"cluster {UPGRADED.name} has v1.36.3", "- copy: stored at x"]


def test_the_host_that_stopped_an_upgrade_is_named_with_its_state() -> None:
    """And what became of the others: done, or not begun."""
    waiting = {step.id: NotStarted("not started") for step in UPGRADE.steps if step.subject == "worker-3" and step.kind != "stage-bundle"}
    late = {"uncordon-node/worker-1": NotStarted("not started"), "verify-network/cluster": NotStarted("not started")}
    broken = {"upgrade-kubelet/worker-1": ClusterError("no kubelet")}
    states = {"worker-1": "node not Ready, cordoned"}
    text, succeeded = upgrade_summary(UPGRADED, UPGRADE, ended(UPGRADE, {**waiting, **late, **broken}), states)
    assert not succeeded
    assert text.splitlines()[1:] == [
        "- cp-1: done",
        "- worker-2: done",
        "- worker-1: FAILED: no kubelet (node not Ready, cordoned)",
        "- worker-3: not begun",
    ]


@pytest.mark.parametrize("step", [step.id for step in UPGRADE.steps])
def test_any_failed_step_of_an_upgrade_is_in_the_summary(step: str) -> None:
    """Whichever step it is, also without a state of its host."""
    text, succeeded = upgrade_summary(UPGRADED, UPGRADE, ended(UPGRADE, {step: ClusterError(f"the reason of {step}")}), {})
    assert not succeeded
    assert f"the reason of {step}" in text
    assert "run this again" in text


def test_an_interrupted_control_plane_that_cannot_be_finished_says_why() -> None:
    """Other hosts are not called done: nothing is known of them."""
    plan = plan_resume(UPGRADED, UPGRADED.control_planes)
    assert resume_failure(UPGRADED, plan, ended(plan, {}), {}) is None
    text = resume_failure(
        UPGRADED, plan, ended(plan, {"upgrade-control-plane/cp-1": ClusterError("no etcd")}), {"cp-1": "the API server does not answer"}
    )
    assert text is not None
    assert text.splitlines()[1:] == ["- cp-1: FAILED: no etcd (the API server does not answer)"]


RENEWAL = plan_renew(SPEC, FRESH, NOW, RenewalSettings(everything=True), copies=CopySettings("default"), names=(), published=None)


def test_a_renewal_says_that_everything_is_in_use_and_where_the_copy_is() -> None:
    """And nothing to renew is said as well."""
    outcomes = ended(RENEWAL, {}) | {"save-copy/a": StepOutcome("a snapshot of etcd and PKI, saved at /copies/1")}
    text, succeeded = renewal_summary(SPEC, RENEWAL, outcomes)
    assert succeeded
    assert text.splitlines() == [
        "cluster demo: all certificates that were due are renewed and in use",
        "- copy of a: a snapshot of etcd and PKI, saved at /copies/1",
    ]
    assert renewal_summary(SPEC, Plan("demo"), {}) == ("cluster demo: nothing to renew", True)


@pytest.mark.parametrize("step", [step.id for step in RENEWAL.steps])
def test_any_failed_step_of_a_renewal_is_in_the_summary(step: str) -> None:
    """With its reason; steps that were not started are named."""
    outcomes = ended(RENEWAL, {step: ClusterError(f"the reason of {step}")})
    text, succeeded = renewal_summary(SPEC, RENEWAL, outcomes)
    assert not succeeded
    assert f"- {step}: the reason of {step}" in text
    text, _ = renewal_summary(SPEC, RENEWAL, ended(RENEWAL, {step: NotStarted("not started")}))
    assert f"- {step}: not started" in text


RESTORE, _ = plan_restore(SPEC, RESTORED_FACTS, {}, RESTORED_COPY, LiveKeys(KEYS), SOURCE)


def test_a_restore_names_the_copy_the_state_before_it_and_what_is_lost() -> None:
    """The owner compares it with what he expected."""
    outcomes = ended(RESTORE, {}) | {"save-copy/a": StepOutcome("a snapshot of etcd and PKI, saved at /copies/1")}
    text, succeeded = restore_summary(SPEC, RESTORED_COPY, RESTORE, outcomes)
    assert succeeded
    assert text.splitlines() == [
        f"cluster demo is restored from the copy {RESTORED_COPY.saved.name} of 2026-11-26 02:00:00 UTC",
        "- copy of the state before, a: a snapshot of etcd and PKI, saved at /copies/1",
        "nothing in the cluster is newer than the copy",
    ]


def test_why_the_loss_of_a_restore_is_unknown_is_in_its_summary() -> None:
    """Also when the run fails."""
    plan, _ = plan_restore(SPEC, RESTORED_FACTS, {}, RESTORED_COPY, LiveKeys(reason="etcd does not answer"), SOURCE, without_copy=True)
    for errors in ({}, {"wait-dns/cluster": ClusterError("no answer")}):
        text, _ = restore_summary(SPEC, RESTORED_COPY, plan, ended(plan, dict(errors)))
        assert text.splitlines()[-2:] == [
            "what is newer than the copy is unknown: etcd does not answer",
            "etcd's data and PKI of a are replaced without a copy",
        ]


@pytest.mark.parametrize("step", [step.id for step in RESTORE.steps])
def test_any_failed_step_of_a_restore_is_in_the_summary(step: str) -> None:
    """With whether the control plane is still the one before."""
    late = {late.id: NotStarted("not started") for late in RESTORE.steps[1:]} if step == "save-copy/a" else {}
    text, succeeded = restore_summary(SPEC, RESTORED_COPY, RESTORE, ended(RESTORE, {**late, step: ClusterError(f"the reason of {step}")}))
    assert not succeeded
    assert f"- {step}: the reason of {step}" in text
    assert ("its control plane was not changed" in text) == bool(late)
    assert ("Restore again" in text) != bool(late)
