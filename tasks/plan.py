"""Step plan: check the facts, resolve the spec and make the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import NoBlock, load
from blocks.saved_kubeconfig import SavedKubeconfig, block_name
from bundle.manifest import BundleFile, BundleManifest
from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts
from cluster.facts.host_paths import Connectivity
from cluster.migration import migration
from cluster.plan.create import INIT_CONTROL_PLANE, plan_create
from cluster.plan.existing import observed_cluster
from cluster.plan.graph import Plan
from cluster.plan.immutable import UPGRADE_NEEDED, immutable_changes
from cluster.plan.resolution import resolve, resolved_problems
from cluster.plan.selection import known_part, no_cluster_to_extend
from cluster.plan.values import HostFiles
from cluster.rules.on_facts import check_facts
from cluster.rules.on_facts.host_paths import paths_to_probe
from cluster.rules.versions import bundle_problems, image_problems
from cluster.vocabulary.errors import CannotApply, ImmutableChange, Retryable
from cluster.vocabulary.problems import Problem, Severity, errors_in
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.topology import topology
from hosts.probe_paths import try_paths
from kube.pod_networks import network_digest, network_documents, network_images, with_network_differences
from kube.state import read_state
from runs.attempts import record_attempt, step
from runs.cluster_api import cluster_api
from runs.context import RunContext, spec_context
from runs.made_plan import publish_plan
from runs.sessions import session


class Planning(StepRecord):
    """The record of the step: the plan, the resolved spec, and the results of the paths between the hosts."""

    spec: ResolvedSpec | None = None
    plan: Plan | None = None
    connectivity: Connectivity | None = None


@step("plan")
def plan_cluster(
    spec: ClusterSpec,
    facts: Mapping[str, HostFacts],
    uninspected: Sequence[Problem],
    run: RunContext,
    *,
    verify: bool = True,
    absent: Sequence[str] = (),
) -> tuple[ResolvedSpec, Plan]:
    """Check the facts, then make the plan. Every problem of every host is reported at once, before anything changes.

    `absent`: names of hosts that were not inspected on purpose.
    """
    with record_attempt("plan", "cluster", run, Planning) as attempt:
        tried = probe_connectivity(spec, facts, run)
        resolved, plan, warnings = make_plan(spec, facts, uninspected, tried, run, verify=verify, absent=absent)
        attempt.extra |= {"spec": resolved, "plan": plan, "connectivity": tried}
        attempt.found = "the cluster matches its file" if plan.empty else f"{len(plan.steps)} steps to do"
        publish_plan(attempt, run, plan, warnings)
    return resolved, plan


def probe_connectivity(spec: ClusterSpec, facts: Mapping[str, HostFacts], run: RunContext) -> Connectivity:
    """The results of the paths that the hosts test between each other; no paths are tested when no host is new."""
    paths = paths_to_probe(spec, facts)
    hosts = {name for path in paths for name in (path.source, path.target)}
    return try_paths(paths, {name: session(spec.host(name), run) for name in hosts})


def make_plan(
    spec: ClusterSpec,
    facts: Mapping[str, HostFacts],
    uninspected: Sequence[Problem],
    tried: Connectivity,
    run: RunContext,
    *,
    verify: bool = True,
    absent: Sequence[str] = (),
) -> tuple[ResolvedSpec, Plan, tuple[Problem, ...]]:
    """The resolved spec, the plan and the warnings. `absent`: names of hosts that were not inspected on purpose.

    CannotApply has every problem that the facts and `tried` show, and `uninspected`: hosts without facts. ImmutableChange, with migration
    help, when the existing cluster cannot become the one in the file.
    """
    state = None
    if absent and not uninspected:
        if (state := cluster_state(spec, facts, run)) is None:
            raise CannotApply([no_cluster_to_extend(spec)])
        spec = known_part(spec, absent, state.nodes)
    checked = check_hosts(spec, facts, uninspected, tried, run)
    resolved, errors = checked.resolved, checked.errors
    # with another family in the file, hosts also lack addresses: the hosts' own files then show the existing cluster
    if state is None and resolved is not None:
        state = cluster_state(resolved, facts, run, network=True)
    existing = observed_cluster(resolved or spec, facts, state)
    if changed := immutable_changes(resolved or spec, existing):
        raise ImmutableChange((*errors, *changed), migration(existing.as_spec(resolved or spec), resolved or spec))
    if errors or resolved is None:
        raise CannotApply(errors)
    # the MTU of the pod network, and so its digest, depends on all hosts
    network = None if absent else network_digest(network_documents(resolved))
    plan = plan_create(
        resolved,
        facts,
        wanted_files(resolved, checked.manifest),
        state,
        network=network,
        kubeconfig_saved=kubeconfig_saved(resolved, facts),
        verify=verify,
        absent=absent,
    )
    return resolved, plan, checked.warnings


@dataclass(frozen=True, slots=True)
class CheckedHosts:
    """The cluster file on its hosts: what the rules found, and the resolved spec unless there is an error."""

    manifest: BundleManifest
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    resolved: ResolvedSpec | None


def check_hosts(
    spec: ClusterSpec, facts: Mapping[str, HostFacts], uninspected: Sequence[Problem], tried: Connectivity | None, run: RunContext
) -> CheckedHosts:
    """Apply the rules to the facts, to the paths that were `tried`, and to the bundle. `uninspected`: hosts without facts, and why."""
    bundle = load(ArtifactBundle, run.bundle)
    manifest = bundle.manifest()
    problems = problems_on_hosts(spec, facts, manifest, tried)
    errors = (*uninspected, *errors_in(problems))
    resolved = None if errors else resolve(spec, facts)
    warnings = tuple(problem for problem in problems if problem.severity is Severity.WARNING)
    images = image_problems(network_images(resolved), manifest.images) if resolved is not None else ()
    return CheckedHosts(manifest, errors, (*warnings, *images, *bundle.remarks()), resolved)


def problems_on_hosts(
    spec: ClusterSpec, facts: Mapping[str, HostFacts], manifest: BundleManifest, tried: Connectivity | None = None
) -> tuple[Problem, ...]:
    """What the rules find in the file with this bundle on these hosts; `tried`: the paths between the hosts, when they were tested."""
    return (
        *bundle_problems(spec, manifest.kubernetes_version),
        *check_facts(spec, facts, bundle_architecture=manifest.architecture.value, bundle_size=manifest.total_size, connectivity=tried),
        *resolved_problems(spec, facts),
    )


def is_upgrade(error: CannotApply) -> bool:
    """Whether create-cluster refuses a file only because the cluster has another version."""
    return {problem.code for problem in error.problems} == {UPGRADE_NEEDED}


def kubeconfig_saved(spec: ResolvedSpec, facts: Mapping[str, HostFacts]) -> bool:
    """Whether a block of this cluster exists. A block of an earlier cluster of the same name has another CA."""
    try:
        block = load(SavedKubeconfig, block_name(spec.name))
    except NoBlock:
        return False
    return block.ca_hash == facts[topology(spec).seed.name].kubernetes.ca_hash


def cluster_state(spec: ClusterSpec, facts: Mapping[str, HostFacts], run: RunContext, *, network: bool = False) -> ClusterState | None:
    """The state from the API server; None when no control plane of this cluster has one yet, or it does not answer.

    `network`: also the objects of the pod network that differ from those that install-cni would apply; the hosts of `spec` have addresses.
    """
    if not runs_api(spec, facts):
        return None
    try:
        api = cluster_api(spec_context(run, spec))
        return with_network_differences(api, spec, read_state(api)) if network else read_state(api)
    except Retryable:
        return None  # a half-finished or stopped control plane: the plan then starts from the hosts' own facts


def runs_api(spec: ClusterSpec, facts: Mapping[str, HostFacts]) -> bool:
    """Whether a control plane of this cluster has an API server that grants requests."""
    return any(_runs_api(spec, facts[host.name]) for host in topology(spec).api_targets if host.name in facts)


def _runs_api(spec: ClusterSpec, found: HostFacts) -> bool:
    """kubeadm writes admin.conf before it grants it any right: the API server of an unfinished init refuses requests."""
    unfinished = any(step.name == INIT_CONTROL_PLANE and step.exit_code != 0 for step in found.steps)
    return found.kubernetes.admin_config and found.owner == spec.name and not unfinished


def wanted_files(
    spec: ResolvedSpec, manifest: BundleManifest, only: Callable[[BundleFile], bool] = lambda _file: True
) -> dict[str, HostFiles]:
    """What each host needs from the bundle, by host; `only` selects files."""
    images = network_images(spec)
    wanted = {}
    for host in spec.hosts:
        files = [file for file in manifest.for_host(host.role.value, images) if only(file)]
        wanted[host.name] = HostFiles(
            files=frozenset(file.content_sha256 for file in files if file.target is not None),
            images=frozenset(reference for file in files for reference in file.images),
            targets={file.content_sha256: str(file.target) for file in files if file.target is not None},
        )
    return wanted
