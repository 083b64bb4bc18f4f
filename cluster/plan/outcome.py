"""How the steps of a plan ended, and the summary of a run for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.plan.delete import SAVE_COPY
from cluster.plan.graph import CLUSTER, Plan
from cluster.pod_networks.plugins import pod_network
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.redaction import redact
from cluster.vocabulary.spec import ClusterSpec


class NotStarted(ClusterError):
    """A step that never ran, because a step that it needs did not succeed."""


@dataclass(frozen=True)
class StepOutcome:
    """How one step ended."""

    result: Any = None
    error: BaseException | None = None  # None when the step succeeded

    @property
    def succeeded(self) -> bool:
        """The step ran to its end without an error."""
        return self.error is None

    @property
    def started(self) -> bool:
        """The step ran, successfully or not."""
        return not isinstance(self.error, NotStarted)

    @property
    def failure(self) -> str | None:
        """The error for people, redacted; None when the step succeeded."""
        return None if self.error is None else redact(str(self.error)) or type(self.error).__name__


def failure_on(plan: Plan, outcomes: Mapping[str, StepOutcome], subject: str) -> str | None:
    """The error of the step that failed on a subject, not of steps that waited for it. None when all steps succeeded."""
    failed = [outcomes[step.id] for step in plan.steps_on(subject) if not outcomes[step.id].succeeded]
    first = next((outcome for outcome in failed if outcome.started), failed[0] if failed else None)
    return first.failure if first is not None else None


def create_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of create-cluster, and whether every step succeeded."""
    hosts = {host.name: failure_on(plan, outcomes, host.name) for host in spec.hosts}
    missing = {name: failure for name, failure in hosts.items() if failure is not None}
    others = {step.kind: outcomes[step.id].failure for step in plan.steps_on(CLUSTER) if outcomes[step.id].started}
    failed = {kind: failure for kind, failure in others.items() if failure is not None}
    lines = [f"cluster {spec.name}: {len(hosts) - len(missing)} of {len(hosts)} hosts joined"]
    lines += [f"- {name}: joined" for name in hosts if name not in missing]
    lines += [f"- {name}: NOT joined: {failure}" for name, failure in missing.items()]
    lines += [f"- {kind} failed: {failure}" for kind, failure in failed.items()]
    lines += [f"- {step.kind}: not started" for step in plan.steps_on(CLUSTER) if not outcomes[step.id].started]
    if not pod_network(spec).installed:
        lines.append("- the file has no pod network (cni: none): nodes stay NotReady and CoreDNS Pending until you apply one")
    succeeded = all(outcome.succeeded for outcome in outcomes.values())
    if not succeeded:
        lines.append("Run the flow again: it does only what is missing.")
    return "\n".join(lines), succeeded


def delete_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of delete-cluster, and whether every step succeeded. Says where each copy is, also when a later step failed."""
    copies = {step.subject: outcomes[step.id] for step in plan.steps if step.kind == SAVE_COPY}
    not_copied = {subject: outcome.failure for subject, outcome in copies.items() if not outcome.succeeded}
    failed = {step.subject: outcomes[step.id] for step in plan.steps if not outcomes[step.id].succeeded}
    if not_copied:
        lines = [f"cluster {spec.name} is not deleted, and no host was reset: not every copy of etcd's data and PKI could be saved"]
        lines += [f"- {subject}: {failure}" for subject, failure in not_copied.items()]
        lines += ["If nobody needs the data: delete with `--without-copy`, or write `test_copies: none` into the file of a test cluster."]
    elif failed:
        lines = [f"cluster {spec.name} is not fully deleted; run this again to continue:"]
        lines += [f"- {subject}: {outcome.failure}" for subject, outcome in failed.items() if outcome.started or subject != CLUSTER]
    else:
        hosts = dict.fromkeys(step.subject for step in plan.steps if step.subject != CLUSTER)
        lines = [f"cluster {spec.name} is deleted from {', '.join(hosts) or 'no host'}"]
    lines += [f"- copy of {subject}: {outcome.result}" for subject, outcome in copies.items() if outcome.result is not None]
    return "\n".join([*lines, *(f"- {note}" for note in plan.notes)]), not failed


def renewal_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of renew-certificates, and whether every step succeeded. Says where each copy is, also when a later step failed."""
    copies = {step.subject: outcomes[step.id] for step in plan.steps if step.kind == SAVE_COPY}
    failed = [step for step in plan.steps if not outcomes[step.id].succeeded]
    if plan.empty:
        lines = [f"cluster {spec.name}: nothing to renew"]
    elif failed:
        lines = [f"cluster {spec.name}: not every certificate is renewed and in use; run this again to continue:"]
        lines += [f"- {step.id}: {outcomes[step.id].failure}" for step in failed if outcomes[step.id].started]
        lines += [f"- {step.id}: not started" for step in failed if not outcomes[step.id].started]
    else:
        lines = [f"cluster {spec.name}: all certificates that were due are renewed and in use"]
    lines += [f"- copy of {subject}: {outcome.result}" for subject, outcome in copies.items() if outcome.result is not None]
    return "\n".join([*lines, *(f"- {note}" for note in plan.notes)]), not failed
