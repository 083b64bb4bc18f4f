"""Step plan-upgrade: check the preconditions of an upgrade and make its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bundle.manifest import BundleManifest
from cluster.facts.host_facts import HostFacts, InstalledArtifacts
from cluster.plan.copies import CopySettings
from cluster.plan.existing import observed_cluster
from cluster.plan.graph import Plan
from cluster.plan.immutable import immutable_changes
from cluster.plan.upgrade import BundledVersion, UpgradeSettings, plan_upgrade
from cluster.plan.upgrade_problems import no_cluster, upgrade_problems
from cluster.vocabulary.errors import CannotApply
from cluster.vocabulary.problems import Problem
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from kube.pod_networks import network_digest, network_documents, network_images
from kube.upgrade_state import read_upgrade_state
from runs.attempts import record_attempt, step
from runs.cluster_api import cluster_api
from runs.context import RunContext, spec_context
from runs.made_plan import publish_plan
from tasks.load_bundle import missing_artifacts
from tasks.plan import check_hosts, cluster_state, kubeconfig_saved, wanted_files
from tasks.stage_bundle import is_staged


class CannotUpgrade(CannotApply):
    """A precondition of the upgrade does not hold."""

    headline = "the cluster is not upgraded; no host was changed"


class UpgradePlanning(StepRecord):
    """The record of the step: the plan and the resolved spec."""

    spec: ResolvedSpec | None = None
    plan: Plan | None = None


@step("plan-upgrade")
def plan_cluster_upgrade(
    spec: ClusterSpec,
    facts: Mapping[str, HostFacts],
    problems: Sequence[Problem],
    copies: CopySettings | None,
    settings: UpgradeSettings,
    run: RunContext,
) -> tuple[ResolvedSpec, Plan]:
    """Check the preconditions, then make the plan. CannotUpgrade has every problem at once, also those of `problems`, before anything changes."""
    with record_attempt("plan-upgrade", "cluster", run, UpgradePlanning) as attempt:
        resolved, plan, warnings = make_upgrade_plan(spec, facts, problems, copies, settings, run)
        attempt.extra |= {"spec": resolved, "plan": plan}
        attempt.found = f"the cluster has {spec.version}" if plan.empty else f"{len(plan.steps)} steps to do"
        publish_plan(attempt, run, plan, warnings)
    return resolved, plan


def make_upgrade_plan(
    spec: ClusterSpec,
    facts: Mapping[str, HostFacts],
    problems: Sequence[Problem],
    copies: CopySettings | None,
    settings: UpgradeSettings,
    run: RunContext,
) -> tuple[ResolvedSpec, Plan, tuple[Problem, ...]]:
    """The resolved spec, the plan and the warnings. `problems`: what is already known to forbid the upgrade."""
    checked = check_hosts(spec, facts, problems, None, run)
    manifest, errors = checked.manifest, [*checked.errors]
    # the API server is asked even when a host has a problem, so that all problems are reported together
    state = cluster_state(spec, facts, run)
    if state is None:
        raise CannotUpgrade([*errors, no_cluster(spec)])
    drained = [node.name for node in state.nodes if node.kubelet_version != spec.version and not settings.force]
    upgrade = read_upgrade_state(cluster_api(spec_context(run, spec)), drained)
    missing = {host.name: _missing_bytes(spec, manifest, facts.get(host.name), host.name) for host in spec.hosts}
    errors += [
        *immutable_changes(spec, observed_cluster(spec, facts, state), upgrades=True),
        *upgrade_problems(spec, facts, state, upgrade, missing),
    ]
    resolved = checked.resolved
    if errors or resolved is None:
        raise CannotUpgrade(errors)
    bundled = BundledVersion(
        files=wanted_files(resolved, manifest),
        staged=wanted_files(resolved, manifest, is_staged),
        tags={file.name: file.version for file in manifest.files if file.name in {"etcd", "coredns"}},
    )
    plan = plan_upgrade(
        resolved,
        facts,
        state,
        bundled,
        copies,
        settings,
        network=network_digest(network_documents(resolved)),
        kubeconfig_saved=kubeconfig_saved(resolved, facts),
    )
    return resolved, plan, checked.warnings


def _missing_bytes(spec: ClusterSpec, manifest: BundleManifest, facts: HostFacts | None, name: str) -> int:
    """The size of the stored files that a host gets."""
    if facts is None:
        return 0
    files = manifest.for_host(spec.host(name).role.value, network_images(spec))
    return sum(file.size for file in missing_artifacts(files, InstalledArtifacts(facts.bundle_files, facts.images)))
