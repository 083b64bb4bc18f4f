"""Step load-bundle: the programs and images of the bundle that a host lacks, straight from the bundle's folder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.manifest import BundleFile, FileKind
from cluster.facts.host_facts import InstalledArtifacts
from cluster.plan.create import LOAD_BUNDLE
from cluster.plan.graph import PlannedStep
from cluster.vocabulary.spec import Host, Role
from hosts.facts import gather_installed_artifacts
from hosts.session import Shell
from hosts.upload import import_images, upload_files
from kube.pod_networks import network_images
from runs.attempts import record_step, step
from runs.context import ClusterContext
from runs.sessions import locked_session

# the programs that the prepare script needs
RUNTIME = frozenset({"containerd", "containerd-shim-runc-v2", "ctr", "runc"})
# the programs that kubeadm's preflight checks run
CHECKED = frozenset({"kubeadm", "kubelet"})
# images that kubeadm init starts, or looks for before it starts anything; the others load while it runs
INIT_IMAGES = frozenset({"coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "pause"})


@step(LOAD_BUNDLE, "planned.subject")
def load_bundle(planned: PlannedStep, run: ClusterContext) -> None:
    """Install the files and images of the host's role that are missing."""
    with record_step(planned, run) as attempt:
        host = run.host(planned.subject)
        bundle, session = load(ArtifactBundle, run.bundle), locked_session(host, run)
        missing = missing_artifacts(
            bundle.manifest().for_host(host.role.value, network_images(run.spec)), gather_installed_artifacts(session, host)
        )
        attempt.found = f"{len(missing)} files were missing"
        attempt.change(*install_artifacts(session, bundle.path, missing))


def is_runtime_file(file: BundleFile) -> bool:
    """Whether the container runtime and the preparation of the host need the file."""
    return file.kind is FileKind.UNIT or file.name in RUNTIME


def needed_first(file: BundleFile, host: Host) -> bool:
    """Whether kubeadm init needs the file, or the preflight checks of a worker. The worker's other files are loaded while kubeadm init runs."""
    if host.role is Role.CONTROL_PLANE:
        return file.kind is not FileKind.IMAGE or file.name in INIT_IMAGES
    return file.kind is not FileKind.IMAGE and file.name in CHECKED


def missing_artifacts(files: Sequence[BundleFile], installed: InstalledArtifacts) -> list[BundleFile]:
    """The files that the host lacks: missing or changed files, and archives with a missing image."""
    return [
        file
        for file in files
        if (not installed.images.issuperset(file.images) if file.kind is FileKind.IMAGE else file.content_sha256 not in installed.files)
    ]


def install_artifacts(session: Shell, folder: Path, files: Sequence[BundleFile]) -> tuple[str, ...]:
    """Install files and import images in parallel: unpacking waits for the disk during the next upload. Returns one phrase per file."""
    images = [file for file in files if file.kind is FileKind.IMAGE]
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(import_images, session, folder, images)
        installed = upload_files(session, folder, [file for file in files if file.kind is not FileKind.IMAGE])
        return (*installed, *importing.result())
