"""Step load-images: the bundle's images that a host lacks, straight from the bundle into its containerd."""

from __future__ import annotations

from collections.abc import Iterable

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import load
from bundle.manifest import BundleFile, FileKind
from cluster.records import StepRecord
from cluster.spec import ClusterSpec, Host, Role
from hosts.facts import gather
from hosts.upload import import_images
from tasks.attempt import Where, attempt, step
from tasks.connection import locked_session

# what kubeadm init starts, or looks for before it starts anything; the rest is wanted only when the pod network is installed, and loads while init runs
CONTROL_PLANE = frozenset({"coredns", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "pause"})


@step("load-images", "host.name")
def load_images(spec: ClusterSpec, host: Host, where: Where) -> StepRecord:
    """Load what the host's containerd has not got of the images that this host needs."""
    with attempt("load-images", host.name, where, StepRecord) as this:
        bundle = load(ArtifactBundle, where.bundle)
        session = locked_session(host, where)
        held = gather(session, host).images
        wanted = lacking(bundle.manifest().for_host(host.role.value, spec.cni.kind.value), held)
        this.change(*import_images(session, bundle.path, wanted))
        this.found = f"{len(wanted)} images were missing"
    return this.record


def lacking(files: Iterable[BundleFile], held: frozenset[str]) -> list[BundleFile]:
    """The image archives among `files` of which a host holds not every image."""
    return [file for file in files if file.kind is FileKind.IMAGE and not held.issuperset(file.images)]


def needed_by_init(file: BundleFile, host: Host) -> bool:
    """Whether a control plane cannot start without this image."""
    return host.role is Role.CONTROL_PLANE and file.name in CONTROL_PLANE
