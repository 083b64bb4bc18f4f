"""How the retest of a cluster ended, from its parts, and the summary of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.plan.graph import Plan, step_id
from cluster.plan.outcome import StepOutcome
from cluster.retests.records import Phase, PhaseRecord
from cluster.vocabulary.errors import ClusterError, SpecError
from cluster.vocabulary.records import Outcome

KEPT = "its machines have a failed cluster, which is kept for inspection"  # why a retest is skipped


# problems of a cluster or of the parameters; docs/reference/problems.md lists them
NOT_RETESTED = {
    "saved-cluster-changed": "The saved file was edited after the run began.",
    "upgrade-bundle-unusable": "The Artifact bundle block of `upgrade_from` does not exist, or its bundle cannot be read.",
    "no-upgrade-path": "The bundle of `upgrade_from` has no older patch release of the file's version, and not the minor version before it.",
}
# phase -> code, meaning, and what to do; docs/reference/problems.md lists them
FAILED_PHASES = {
    Phase.FREE_HOSTS: (
        "retest-hosts-not-freed",
        "The cluster that was on the test hosts could not be removed completely.",
        "Repair the hosts in the message; the next retest continues there.",
    ),
    Phase.CREATE: (
        "retest-create-failed",
        "The cluster could not be created.",
        "Compare with the last good run (`sixstack retests`): its versions and its file. `--keep-failed` keeps the cluster.",
    ),
    Phase.UPGRADE: (
        "retest-upgrade-failed",
        "The cluster was created with the older version, and its upgrade failed.",
        "Do not upgrade clusters like this one before the reason is known. `--keep-failed` keeps the cluster; `sixstack upgrade` then continues.",
    ),
    Phase.BACKUP: (
        "retest-backup-failed",
        "The cluster could not be backed up, or the workload for the comparison could not be placed.",
        "Correct the Backup store or the fault in the message: clusters like this one may have no usable backup.",
    ),
    Phase.RESTORE: (
        "retest-restore-failed",
        "The backup could not be restored, or the restored cluster is not as at the backup.",
        "Do not rely on the backups of clusters like this one before the reason is known. `--keep-failed` keeps the cluster.",
    ),
    Phase.VERIFY: (
        "retest-verify-failed",
        "The network check of the cluster failed.",
        "The page of the run has the report by node and family. `--keep-failed` keeps the cluster; `sixstack verify` then checks again.",
    ),
    Phase.DELETE: (
        "retest-delete-failed",
        "The cluster passed, and could not be deleted.",
        "Repair the hosts in the message; the next retest deletes what is left.",
    ),
}


class PhaseFailed(ClusterError):
    """A phase of a retest failed. The message names it, has its code and error, and says what to do."""

    def __init__(self, phase: Phase, error: BaseException) -> None:
        self.phase = phase
        code, _, remedy = FAILED_PHASES[phase]
        lines = [f"{phase} failed [{code}]: {str(error) or type(error).__name__}", *getattr(error, "__notes__", ())]
        super().__init__("\n".join([*lines, remedy]))

    def __reduce__(self) -> tuple[type[ClusterError], tuple[str]]:
        return ClusterError, (str(self),)


def failed_phase(phases: Sequence[PhaseRecord]) -> Phase | None:
    """The phase that failed first; None when none did."""
    return next((record.phase for record in phases if not record.succeeded), None)


def refused(error: BaseException) -> bool:
    """Whether freeing the hosts was refused before anything changed, and not because a host could not be reached."""
    return isinstance(error, SpecError) and any(problem.code != "host-not-inspected" for problem in error.problems)


def first_failed_step(records: Sequence[Mapping[str, Any]]) -> str:
    """The id of the step that failed first and did not succeed later, from the audit records of a run; "" when none did."""
    last = {(record["step"], record["host"]): record["outcome"] for record in sorted(records, key=lambda record: int(record["attempt"]))}
    failed = [record for record in records if last[record["step"], record["host"]] == Outcome.FAILED]
    first = min(failed, key=lambda record: str(record["end"]), default=None)
    return "" if first is None else step_id(first["step"], first["host"])


def retests_summary(plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a run, and whether every cluster passed."""
    passed = sum(outcome.succeeded for outcome in outcomes.values())
    lines = [f"{passed} of {len(plan.steps)} retests passed"]
    for step in plan.steps:
        outcome = outcomes[step.id]
        if outcome.succeeded:
            lines.append(f"- {step.subject}: passed")
        elif outcome.started:
            failure = (outcome.failure or "").replace("\n", "\n  ")  # its own list items are not further clusters
            lines.append(f"- {step.subject}: NOT passed: {failure}")
        else:
            lines.append(f"- {step.subject}: skipped: {KEPT}")
    return "\n".join(lines), passed == len(plan.steps)
