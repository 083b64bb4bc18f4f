"""How the steps of a plan ended, and the summary of a run for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
    failed = [outcomes[step.id] for step in plan.of(subject) if not outcomes[step.id].succeeded]
    first = next((outcome for outcome in failed if outcome.started), failed[0] if failed else None)
    return first.failure if first is not None else None


def create_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of create-cluster, and whether every step succeeded."""
    hosts = {host.name: failure_on(plan, outcomes, host.name) for host in spec.hosts}
    missing = {name: failure for name, failure in hosts.items() if failure is not None}
    others = {step.kind: outcomes[step.id].failure for step in plan.of(CLUSTER) if outcomes[step.id].started}
    failed = {kind: failure for kind, failure in others.items() if failure is not None}
    lines = [f"cluster {spec.name}: {len(hosts) - len(missing)} of {len(hosts)} hosts joined"]
    lines += [f"- {name}: joined" for name in hosts if name not in missing]
    lines += [f"- {name}: NOT joined: {failure}" for name, failure in missing.items()]
    lines += [f"- {kind} failed: {failure}" for kind, failure in failed.items()]
    lines += [f"- {step.kind}: not started" for step in plan.of(CLUSTER) if not outcomes[step.id].started]
    if not pod_network(spec).installed:
        lines.append("- the file has no pod network (cni: none): nodes stay NotReady and CoreDNS Pending until you apply one")
    succeeded = all(outcome.succeeded for outcome in outcomes.values())
    if not succeeded:
        lines.append("Run the flow again: it does only what is missing.")
    return "\n".join(lines), succeeded


def delete_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of delete-cluster, and whether every step succeeded."""
    failed = {
        step.subject: outcomes[step.id].failure for step in plan.steps if not outcomes[step.id].succeeded and outcomes[step.id].started
    }
    if failed:
        lines = [f"cluster {spec.name} is not fully deleted; run this again to continue:"]
        lines += [f"- {subject}: {failure}" for subject, failure in failed.items()]
    else:
        hosts = [step.subject for step in plan.steps if step.subject != CLUSTER]
        lines = [f"cluster {spec.name} is deleted from {', '.join(hosts) or 'no host'}"]
    return "\n".join([*lines, *(f"- {note}" for note in plan.notes)]), not failed
