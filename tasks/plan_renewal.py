"""Step plan-renewal: check what a renewal needs, and make its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.loading import NoBlock, load
from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from cluster.facts.certificates import HostCertificates
from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.facts.parsers.certificates import read_certificate
from cluster.migration import migration
from cluster.plan.copies import CopySettings
from cluster.plan.existing import observed_cluster
from cluster.plan.graph import Plan
from cluster.plan.immutable import immutable_changes
from cluster.plan.renew import RenewalSettings, address_problems, control_plane_problems, plan_renew, renewal_of, renewal_problems
from cluster.plan.resolution import resolve_partly
from cluster.vocabulary.copies import CopyReason
from cluster.vocabulary.errors import CannotApply, ClusterError, EnvironmentFault, ImmutableChange, Retryable
from cluster.vocabulary.problems import Problem, errors_in
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from kube.kubeconfig import read_kubeconfig
from kube.state import read_state
from runs.attempts import record_attempt, step
from runs.cluster_api import cluster_api
from runs.context import RunContext, cluster_context
from runs.copies import find_copy_settings
from runs.made_plan import publish_plan


class NotRenewed(CannotApply):
    """The certificates cannot be renewed."""

    headline = "no certificate was renewed, and no host was changed"


class RenewalPlanning(StepRecord):
    """The record of the step, with the plan."""

    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is known of the cluster before a renewal."""

    facts: Mapping[str, HostFacts]  # of the control planes
    certificates: Mapping[str, HostCertificates]  # of every host that was reached
    uninspected: tuple[Problem, ...]  # control planes that were not reached


@step("plan-renewal")
def plan_renewal(
    spec: ClusterSpec, inspected: Inspected, settings: RenewalSettings, run: RunContext, *, without_copy: bool = False
) -> tuple[ResolvedSpec, Plan]:
    """Make the plan. NotRenewed lists every problem before anything changes."""
    with record_attempt("plan-renewal", "cluster", run, RenewalPlanning) as attempt:
        resolved, plan, warnings = make_renewal_plan(spec, inspected, settings, run, without_copy=without_copy)
        attempt.extra["plan"] = plan
        attempt.found = "nothing to renew" if plan.empty else f"{len(plan.steps)} steps to do"
        publish_plan(attempt, run, plan, warnings)
    return resolved, plan


def make_renewal_plan(
    spec: ClusterSpec, inspected: Inspected, settings: RenewalSettings, run: RunContext, *, without_copy: bool
) -> tuple[ResolvedSpec, Plan, tuple[Problem, ...]]:
    """The resolved spec, the plan and the warnings."""
    now = datetime.now(UTC)
    if problems := (*inspected.uninspected, *control_plane_problems(spec, inspected.certificates)):
        raise NotRenewed(problems)
    resolved = resolve_partly(spec, inspected.facts)
    if problems := address_problems(resolved):
        raise NotRenewed(problems)
    state = _state(resolved, run)
    existing = observed_cluster(resolved, inspected.facts, state)
    # a file that is ahead of the cluster by a version, before an upgrade, does not keep certificates from being renewed
    resolved = _with_version(resolved, existing.version)
    if changed := immutable_changes(resolved, existing):
        raise ImmutableChange(changed, migration(existing.as_spec(resolved), resolved))
    renewals = {host.name: renewal_of(resolved, host, inspected.certificates[host.name], now, settings) for host in resolved.control_planes}
    problems = renewal_problems(resolved, inspected.certificates, renewals, now, settings.within)
    copies: CopySettings | None = None
    if not without_copy and any(renewal.certificates for renewal in renewals.values()):
        copies, uncopied = find_copy_settings(spec, inspected.facts, CopyReason.RENEW)
        problems = (*problems, *uncopied)
    if errors := errors_in(problems):
        raise NotRenewed(errors)
    names = (state.kubeadm.get("apiServer") or {}).get("certSANs") or [] if state is not None else None
    plan = plan_renew(resolved, inspected.certificates, now, settings, copies=copies, names=names, published=_published(resolved))
    return resolved, plan, problems


def _with_version(spec: ResolvedSpec, version: str | None) -> ResolvedSpec:
    if version is None:
        return spec
    return ResolvedSpec.of(spec.model_copy(update={"kubernetes_version": version.removeprefix("v")}))


def _state(spec: ResolvedSpec, run: RunContext) -> ClusterState | None:
    """The state from the API server; None when it cannot be used, for example because its certificate or that of the admin has expired."""
    try:
        return read_state(cluster_api(cluster_context(run, spec)))
    except (Retryable, EnvironmentFault, ClusterError):
        return None


def _published(spec: ResolvedSpec) -> str | None:
    """Fingerprint of the certificate in the saved kubeconfig; None without a kubeconfig, or when it is damaged."""
    try:
        text = load(SavedKubeconfig, block_name(spec.name)).kubeconfig.get_secret_value()
        return read_certificate(read_kubeconfig(text).certificate or "").fingerprint
    except (NoBlock, EnvironmentFault, ValueError):
        return None
