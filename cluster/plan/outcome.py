"""How the steps of a plan ended, and the summary of a run for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.plan.delete import SAVE_COPY
from cluster.plan.graph import CLUSTER, Plan
from cluster.plan.restore import RESTORE_CONTROL_PLANE, CheckedCopy
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
    def failed(self) -> bool:
        """The step ran and ended with an error."""
        return self.started and not self.succeeded

    @property
    def failure(self) -> str | None:
        """The error for people, redacted; None when the step succeeded."""
        return None if self.error is None else redact(str(self.error)) or type(self.error).__name__


def failure_on(plan: Plan, outcomes: Mapping[str, StepOutcome], subject: str) -> str | None:
    """The error of the step that failed on a subject, not of steps that waited for it. None when all steps succeeded."""
    failed = [outcomes[step.id] for step in plan.steps_on(subject) if not outcomes[step.id].succeeded]
    first = next((outcome for outcome in failed if outcome.started), failed[0] if failed else None)
    return first.failure if first is not None else None


def create_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome], absent: Sequence[str] = ()) -> tuple[str, bool]:
    """The result of a plan of create-cluster, and whether every step succeeded. `absent`: names of hosts that were not inspected on purpose."""
    hosts = {host.name: failure_on(plan, outcomes, host.name) for host in spec.hosts if host.name not in absent}
    missing = {name: failure for name, failure in hosts.items() if failure is not None}
    others = {step.kind: outcomes[step.id].failure for step in plan.steps_on(CLUSTER) if outcomes[step.id].started}
    failed = {kind: failure for kind, failure in others.items() if failure is not None}
    lines = [f"cluster {spec.name}: {len(hosts) - len(missing)} of {len(hosts)} hosts joined"]
    lines += [f"- {name}: joined" for name in hosts if name not in missing]
    lines += [f"- {name}: NOT joined: {failure}" for name, failure in missing.items()]
    if absent:
        lines.append(f"- not inspected: {', '.join(absent)}")
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


def removal_summary(plan: Plan, names: Sequence[str], outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of remove-workers, and whether every step succeeded."""
    failures = {name: failure_on(plan, outcomes, name) for name in names}
    failed = {name: failure for name, failure in failures.items() if failure is not None}
    lines = [f"cluster {plan.cluster}: {len(names) - len(failed)} of {len(names)} workers removed"]
    lines += [f"- {name}: NOT removed: {failed[name]}" if name in failed else f"- {name}: removed" for name in names]
    lines += [f"- {note}" for note in plan.notes]
    if failed:
        lines.append("Run the flow again: it does only what is missing.")
    return "\n".join(lines), not failed


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


def backup_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of backup-cluster: where each copy is, and whether every step succeeded."""
    lines, succeeded = [], True
    for step in plan.steps:
        outcome = outcomes[step.id]
        succeeded = succeeded and outcome.succeeded
        lines.append(f"- {step.subject}: {outcome.result if outcome.succeeded else outcome.failure}")
    headline = f"cluster {spec.name} is backed up" if succeeded else f"cluster {spec.name} is not backed up"
    return "\n".join([headline, *lines]), succeeded


def restore_summary(spec: ClusterSpec, copy: CheckedCopy, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, bool]:
    """The result of a plan of restore-cluster, and whether every step succeeded: the copy, what it cost, and where the state before it is."""
    failed = {step.id: outcomes[step.id].failure for step in plan.steps if not outcomes[step.id].succeeded and outcomes[step.id].started}
    copied = {step.subject: outcomes[step.id] for step in plan.steps if step.kind == SAVE_COPY}
    replaced = any(step.kind == RESTORE_CONTROL_PLANE and outcomes[step.id].started for step in plan.steps)
    made = f"the copy {copy.saved.name} of {copy.saved.created:%Y-%m-%d %H:%M:%S} UTC"
    if not failed:
        lines = [f"cluster {spec.name} is restored from {made}"]
    elif replaced:
        lines = [f"cluster {spec.name} is not fully restored from {made}. Restore again: it begins from the same copy"]
    else:
        lines = [f"cluster {spec.name} is not restored, and its control plane was not changed"]
    lines += [f"- {step}: {failure}" for step, failure in failed.items()]
    lines += [
        f"- copy of the state before, {subject}: {outcome.result}" for subject, outcome in copied.items() if outcome.result is not None
    ]
    return "\n".join([*lines, *plan.notes]), not failed


def failed_hosts(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome]) -> tuple[str, ...]:
    """Hosts on which a step ran and failed, in file order."""
    return tuple(host.name for host in spec.hosts if any(outcomes[step.id].failed for step in plan.steps_on(host.name)))


def upgrade_summary(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome], states: Mapping[str, str]) -> tuple[str, bool]:
    """The result of a plan of upgrade-cluster, and whether every step succeeded. `states`: of the hosts with a failed step."""
    failures = {host.name: failure_on(plan, outcomes, host.name) for host in spec.hosts}
    others = {step.kind: outcomes[step.id].failure for step in plan.steps_on(CLUSTER) if outcomes[step.id].started}
    broken = {kind: failure for kind, failure in others.items() if failure is not None}
    succeeded = not broken and not any(failures.values())
    if succeeded:
        lines = [f"cluster {spec.name} has {spec.version}"]
    else:
        lines = [f"cluster {spec.name} is not fully upgraded to {spec.version}; run this again to continue at the failed host:"]
        lines += [f"- {name}: done" for name, failure in failures.items() if failure is None]
        lines += [_failed_line(plan, outcomes, name, states) for name in failed_hosts(spec, plan, outcomes)]
        lines += [
            f"- {name}: not begun" for name, failure in failures.items() if failure and name not in failed_hosts(spec, plan, outcomes)
        ]
        lines += [f"- {kind} failed: {failure}" for kind, failure in broken.items()]
    copies = [outcomes[step.id].result for step in plan.steps if step.kind == SAVE_COPY]
    lines += [f"- copy: {copy}" for copy in copies if copy is not None]
    return "\n".join([*lines, *(f"- {note}" for note in plan.notes)]), succeeded


def resume_failure(spec: ClusterSpec, plan: Plan, outcomes: Mapping[str, StepOutcome], states: Mapping[str, str]) -> str | None:
    """Why interrupted control planes could not be finished, so that nothing else was planned; None when they were."""
    failed = failed_hosts(spec, plan, outcomes)
    if not failed:
        return None
    lines = [f"the interrupted upgrade of cluster {spec.name} to {spec.version} could not be finished; nothing else was begun:"]
    return "\n".join([*lines, *(_failed_line(plan, outcomes, name, states) for name in failed)])


def _failed_line(plan: Plan, outcomes: Mapping[str, StepOutcome], name: str, states: Mapping[str, str]) -> str:
    return f"- {name}: FAILED: {failure_on(plan, outcomes, name)} ({states.get(name, 'its state is unknown')})"
