"""Step plan: what has to be done where; the one place where facts meet the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import NoBlock, load
from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from bundle.manifest import BundleManifest
from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.facts.host_paths import Connectivity
from cluster.migration import migration
from cluster.plan.existing import found_cluster
from cluster.plan.immutable import immutable_changes
from cluster.plan.plan import HostFiles, Plan, make_plan
from cluster.plan.resolution import resolve
from cluster.plan.steps import INIT_CONTROL_PLANE
from cluster.rules.on_facts import check_facts
from cluster.rules.on_facts.host_paths import paths_to_try
from cluster.rules.versions import bundle_problems, image_problems
from cluster.vocabulary.errors import CannotApply, ImmutableChange, Retryable
from cluster.vocabulary.problems import Problem, errors_in
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.spec import ClusterSpec
from hosts.probe_paths import try_paths
from kube.pod_networks import network_digest, network_documents, network_images
from kube.state import read_state
from runs.artifacts import plan_artifact
from runs.attempts import record_attempt, step
from runs.context import RunContext
from runs.progress import report_progress
from runs.sessions import cluster_api, session


class Decision(StepRecord):
    """The record of a decision, with the plan, the spec whose host addresses are all known, and what came of the paths between the hosts."""

    spec: ClusterSpec | None = None
    plan: Plan | None = None
    connectivity: Connectivity | None = None


@step("plan")
def plan_cluster(spec: ClusterSpec, facts: Mapping[str, HostFacts], uninspected: Sequence[Problem], run: RunContext) -> Decision:
    """Check the facts, then make the plan; every problem of every host is reported at once and nothing has been changed."""
    with record_attempt("plan", "cluster", run, Decision) as attempt:
        tried = try_connectivity(spec, facts, run)
        resolved, plan, warnings = make_decision(spec, facts, uninspected, tried, run)
        attempt.extra |= {"spec": resolved, "plan": plan, "connectivity": tried}
        attempt.found = "the cluster is as specified" if plan.empty else f"{len(plan.steps)} steps to do"
        remarks = [*map(str, warnings), *plan.notes]
        attempt.output = "\n".join(remarks)
        for remark in remarks:
            report_progress(run, f"note: {remark}")
        plan_artifact(run, plan)
    return attempt.record


def outcome_of(decision: Decision) -> tuple[ClusterSpec, Plan]:
    """The spec with all addresses, and the plan; there are both, as deciding raises otherwise."""
    assert decision.spec is not None
    assert decision.plan is not None
    return decision.spec, decision.plan


def try_connectivity(spec: ClusterSpec, facts: Mapping[str, HostFacts], run: RunContext) -> Connectivity:
    """What comes of it when the hosts themselves try to reach each other; costs nothing where no host is new."""
    paths = paths_to_try(spec, facts)
    hosts = {name for path in paths for name in (path.source, path.target)}
    return try_paths(paths, {name: session(spec.host(name), run) for name in hosts})


def make_decision(
    spec: ClusterSpec, facts: Mapping[str, HostFacts], uninspected: Sequence[Problem], tried: Connectivity, run: RunContext
) -> tuple[ClusterSpec, Plan, tuple[Problem, ...]]:
    """The spec with all addresses, the plan and the warnings.

    NotPossible with every problem that the facts and `tried` show, and `uninspected`: hosts without facts.

    NotChangeable, with migration help, when it is the cluster that is there which does not fit.
    """
    manifest = load(ArtifactBundle, run.bundle).manifest()
    problems = (
        *bundle_problems(spec, manifest.kubernetes_version),
        *check_facts(spec, facts, bundle_architecture=manifest.architecture.value, bundle_size=manifest.total_size, tried=tried),
    )
    errors = (*uninspected, *errors_in(problems))
    # a file that asks for another family finds hosts without its addresses too: what the cluster is then stands in the hosts' own files
    state = None if errors else _state(spec, facts, run)
    resolved = spec if errors else resolve(spec, facts)
    existing = found_cluster(resolved, facts, state)
    if changed := immutable_changes(resolved, existing):
        raise ImmutableChange((*errors, *changed), migration(existing.written_as(resolved), resolved))
    if errors:
        raise CannotApply(errors)
    network = network_digest(network_documents(resolved))
    wanted = _wanted(resolved, manifest)
    plan = make_plan(resolved, facts, wanted, state, network=network, kubeconfig_saved=_kubeconfig_saved(resolved, facts))
    return resolved, plan, (*problems, *image_problems(network_images(resolved), manifest.images))


def _kubeconfig_saved(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> bool:
    """A block of this cluster is there, and of this very cluster: one of an earlier life has another CA."""
    try:
        block = load(SavedKubeconfig, block_name(spec.name))
    except NoBlock:
        return False
    return block.ca_hash == facts[spec.control_planes[0].name].kubernetes.ca_hash


def _state(spec: ClusterSpec, facts: Mapping[str, HostFacts], run: RunContext) -> ClusterState | None:
    """What the API says, when a control plane of this cluster runs one; None when there is none yet or it does not answer."""
    for host in spec.control_planes:
        found = facts[host.name]
        # kubeadm writes admin.conf before it lets it do anything: the API of an unfinished init refuses us, and has nothing to tell
        unfinished = any(step.name == INIT_CONTROL_PLANE.name and step.exit_code != 0 for step in found.steps)
        if found.kubernetes.admin_config and found.owner == spec.name and not unfinished:
            try:
                return read_state(cluster_api(host, run))
            except Retryable:
                return None  # a half-finished or stopped control plane: the plan then starts from the hosts' own facts
    return None


def _wanted(spec: ClusterSpec, manifest: BundleManifest) -> dict[str, HostFiles]:
    images = network_images(spec)
    wanted = {}
    for host in spec.hosts:
        files = manifest.for_host(host.role.value, images)
        wanted[host.name] = HostFiles(
            files=frozenset(file.content_sha256 for file in files if file.target is not None),
            images=frozenset(reference for file in files for reference in file.images),
        )
    return wanted
