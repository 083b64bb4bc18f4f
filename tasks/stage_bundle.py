"""Step stage-bundle: what a host needs of a new version before anything restarts."""

from __future__ import annotations

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.manifest import BundleFile, FileKind
from cluster.plan.graph import PlannedStep
from cluster.plan.upgrade import STAGE_BUNDLE
from hosts.facts import gather_installed_artifacts
from kube.pod_networks import network_images
from runs.attempts import record_step, step
from runs.context import ClusterContext
from runs.sessions import locked_session
from tasks.load_bundle import install_artifacts, missing_artifacts


@step(STAGE_BUNDLE, "planned.subject")
def stage_bundle(planned: PlannedStep, run: ClusterContext) -> None:
    """Install kubeadm and import the images that are missing. kubeadm does not run by itself, and a running pod keeps its image."""
    with record_step(planned, run) as attempt:
        host = run.host(planned.subject)
        bundle, session = load(ArtifactBundle, run.bundle), locked_session(host, run)
        files = bundle.manifest().for_host(host.role.value, network_images(run.spec))
        missing = missing_artifacts([file for file in files if is_staged(file)], gather_installed_artifacts(session, host))
        attempt.found = f"{len(missing)} files were missing"
        attempt.change(*install_artifacts(session, bundle.path, missing))


def is_staged(file: BundleFile) -> bool:
    """Whether a file can be there before the version is: it does not run on its own."""
    return file.kind is FileKind.IMAGE or file.name == "kubeadm"
