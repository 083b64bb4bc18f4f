"""Step compare: the actual state of a cluster against its file; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import Field

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.manifest import BundleManifest, FileKind
from cluster.drift.comparison import BundledVersions, Inspected, compare
from cluster.drift.difference import API
from cluster.drift.report import DriftReport
from cluster.drift.static_pods import StaticPods, read_static_pods
from cluster.facts.certificates import HostCertificates
from cluster.facts.cluster_state import ClusterState
from cluster.facts.host_facts import HostFacts, Unknown
from cluster.facts.node_settings import NodeSettings
from cluster.plan.create import plan_create
from cluster.plan.existing import observed_cluster
from cluster.plan.expiry import CertificateCheck
from cluster.plan.graph import Plan
from cluster.plan.immutable import immutable_settings
from cluster.plan.resolution import resolve_partly
from cluster.plan.values import static_pod_values
from cluster.vocabulary.errors import SixstackError
from cluster.vocabulary.events import DRIFT_FOUND
from cluster.vocabulary.problems import Problem, errors_in
from cluster.vocabulary.records import StepRecord
from cluster.vocabulary.resolved_spec import ResolvedSpec
from cluster.vocabulary.spec import ClusterSpec
from cluster.vocabulary.topology import topology
from kube.pod_networks import network_digest, network_documents, with_network_differences
from kube.state import read_state
from runs.artifacts import drift_artifact
from runs.attempts import Attempt, record_attempt, step
from runs.cluster_api import cluster_api
from runs.context import RunContext, cluster_context
from runs.progress import report_progress
from runs.scripts import run_script
from runs.sessions import session
from tasks.plan import kubeconfig_saved, problems_on_hosts, runs_api, wanted_files

LIMIT = timedelta(minutes=1)
NOT_INSPECTED = "host-not-inspected"


class DriftRecord(StepRecord):
    """The record of a comparison, with every difference."""

    drift: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class Inspection:
    """What was read of the hosts, and why some of it was not."""

    facts: Mapping[str, HostFacts]
    settings: Mapping[str, NodeSettings]
    certificates: Mapping[str, HostCertificates]
    uninspected: Sequence[Problem]


@step("compare", retries=0)
def compare_cluster(spec: ClusterSpec, found: Inspection, check: CertificateCheck, run: RunContext) -> DriftReport:
    """Compare everything that could be inspected. What could not be is part of the report."""
    with record_attempt("compare", "cluster", run, DriftRecord) as attempt:
        report = _report(spec, found, check, run, attempt)
        attempt.extra["drift"] = report.as_dict()
        attempt.found = report.summary
        drift_artifact(run, report)
    if report.differences:
        report_progress(
            run,
            report.verdict,
            event=DRIFT_FOUND,
            subject=run.cluster,
            details={
                "cluster": run.cluster,
                "run": run.id,
                "differences": str(len(report.differences)),
                "paths": ", ".join(each.path for each in report.differences)[:2000],
            },
        )
    return report


def _report(spec: ClusterSpec, found: Inspection, check: CertificateCheck, run: RunContext, attempt: Attempt) -> DriftReport:
    facts, uninspected = found.facts, [*found.uninspected, *_unknown(found)]
    bundle = load(ArtifactBundle, run.bundle)
    manifest = bundle.manifest()
    resolved = resolve_partly(spec, facts)
    state = None
    if runs_api(spec, facts):
        try:
            resolved, state = _state(spec, facts, resolved, run)
        except SixstackError as error:
            uninspected.append(_not_inspected(API, error))
    elif unreached := [host.name for host in topology(spec).api_targets if host.name not in facts]:
        uninspected.append(_not_inspected(API, f"no control plane was reached: {', '.join(unreached)}"))
    digest, notes = network_digest(network_documents(resolved)), []
    if state is not None and found.uninspected and state.cni is resolved.cni.kind and state.cni_digest != digest and not spec.cni.mtu:
        # the MTU of pods is the smallest of all hosts
        notes.append("the pod network is not compared: its MTU depends on the hosts that were not inspected")
        digest = state.cni_digest
    existing = observed_cluster(resolved, facts, state)
    immutable = immutable_settings(resolved, existing)
    inspected = Inspected(
        spec=resolved,
        facts=facts,
        wanted=wanted_files(resolved, manifest),
        plan=_plan(resolved, facts, manifest, state, digest),
        state=state,
        immutable=immutable,
        refusals=errors_in(problems_on_hosts(spec, facts, manifest)),
        settings=found.settings,
        static_pods=_static_pods(resolved, facts, existing.version, run, attempt, uninspected),
        bundled=_versions(manifest),
        certificates=found.certificates,
        certificate_check=check,
    )
    if immutable or inspected.refusals:
        notes.append("create-cluster refuses this file until the differences of `owner` are resolved that it cannot change or work with")
    return DriftReport(spec.name, compare(inspected), tuple(uninspected), tuple(notes))


def _state(spec: ClusterSpec, facts: Mapping[str, HostFacts], resolved: ResolvedSpec, run: RunContext) -> tuple[ResolvedSpec, ClusterState]:
    """The state from the API, and the spec with the addresses of the nodes whose hosts were not inspected."""
    api = cluster_api(cluster_context(run, resolved))
    state = read_state(api)
    resolved = resolve_partly(spec, facts, state.nodes)
    return resolved, with_network_differences(api, resolved, state)


def _plan(spec: ResolvedSpec, facts: Mapping[str, HostFacts], manifest: BundleManifest, state: ClusterState | None, digest: str) -> Plan:
    """What create-cluster would do."""
    saved = kubeconfig_saved(spec, facts) if topology(spec).seed.name in facts else True
    return plan_create(spec, facts, wanted_files(spec, manifest), state, network=digest, kubeconfig_saved=saved, verify=False)


def _static_pods(
    spec: ResolvedSpec,
    facts: Mapping[str, HostFacts],
    version: str | None,
    run: RunContext,
    attempt: Attempt,
    uninspected: list[Problem],
) -> dict[str, StaticPods]:
    """Of each control plane that was inspected. kubeadm on the host writes those of its own version."""
    pods = {}
    for host in spec.control_planes:
        if host.name not in facts or not facts[host.name].kubernetes.api_manifest or facts[host.name].owner != spec.name:
            continue
        values = static_pod_values(spec, host, version or spec.version)
        try:
            output = run_script(attempt, session(host, run), "host/static-pods.sh.j2", values, LIMIT, secret=True)
            pods[host.name] = read_static_pods(output)
        except (SixstackError, ValueError) as error:
            uninspected.append(_not_inspected(f"hosts/{host.name}/static-pods", error))
    return pods


def _versions(manifest: BundleManifest) -> BundledVersions:
    containerd = next((file.version for file in manifest.files if file.name == "containerd" and file.kind is FileKind.BINARY), "")
    images = {
        file.name: file.images[0] for file in manifest.files if file.kind is FileKind.IMAGE and file.name in ("kube-proxy", "coredns")
    }
    return BundledVersions(containerd, images)


def _unknown(found: Inspection) -> list[Problem]:
    """Parts of the facts of a host that could not be read."""
    parts: list[tuple[str, Unknown]] = [(name, part) for name, facts in found.facts.items() for part in facts.unknown]
    parts += [(name, part) for name, settings in found.settings.items() for part in settings.unknown]
    parts += [(name, part) for name, certificates in found.certificates.items() for part in certificates.unknown]
    return [_not_inspected(f"hosts/{name}/{part.part}", part.reason) for name, part in dict.fromkeys(parts)]


def _not_inspected(path: str, reason: object) -> Problem:
    return Problem(NOT_INSPECTED, path, str(reason) or type(reason).__name__, "fix this and run again")
