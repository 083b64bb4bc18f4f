"""The files of a bundle, where a host installs them, and which hosts need them. Fetched and built bundles have the same layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bundle.manifest import CONTROL_PLANE, PROBE, ROLES, FileKind, Origin, Pin
from bundle.targets import CNI_PLUGINS, CONTAINERD_BINARIES, KUBERNETES_BINARIES, TARGETS
from cluster.vocabulary.cni_kinds import IN_BUNDLES
from cluster.vocabulary.releases import KubernetesRelease

UNITS = Path(__file__).parent / "units"


@dataclass(frozen=True, slots=True)
class Place:
    """One file of a bundle: its path in the bundle and its target on a host."""

    name: str
    kind: FileKind
    path: PurePosixPath  # in the bundle
    version: str
    target: PurePosixPath | None = None
    mode: int = 0o644
    roles: tuple[str, ...] = ROLES
    cni: str | None = None
    images: tuple[str, ...] = ()


CALICO_IMAGES = ("cni", "kube-controllers", "node")
CONTROL_PLANE_IMAGES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


def image_references(release: KubernetesRelease) -> dict[str, str]:
    """File name -> full reference of the images of `kubeadm config images list`, of flannel and Calico, and of the probe pods."""
    kubernetes = {name: f"registry.k8s.io/{name}:v{release.kubernetes}" for name in (*CONTROL_PLANE_IMAGES, "kube-proxy")}
    return {
        **kubernetes,
        "etcd": f"registry.k8s.io/etcd:{release.etcd_image}",
        "coredns": f"registry.k8s.io/coredns/coredns:v{release.coredns}",
        "pause": f"registry.k8s.io/pause:{release.pause}",
        "flannel": f"ghcr.io/flannel-io/flannel:v{release.flannel}",
        "flannel-cni-plugin": f"ghcr.io/flannel-io/flannel-cni-plugin:v{release.flannel_cni_plugin}",
        **{f"calico-{name}": f"quay.io/calico/{name}:v{release.calico}" for name in CALICO_IMAGES},
        PROBE: f"registry.k8s.io/e2e-test-images/agnhost:{release.agnhost}",
    }


def places(release: KubernetesRelease) -> Mapping[PurePosixPath, Place]:
    """Every file of a bundle of this release, by its path in the bundle."""
    found = [*_binary_places(release), *_unit_places(release), *_image_places(release)]
    return {place.path: place for place in found}


def unit_origin(place: Place) -> Origin:
    """The origin of a systemd unit: a file of this repository."""
    path = f"bundle/units/{place.name}"
    return Origin(locations=(path,), pin=Pin.CHECKOUT, digest_from="this repository")


def _binary_places(release: KubernetesRelease) -> list[Place]:
    binaries = {
        **dict.fromkeys(KUBERNETES_BINARIES, release.kubernetes),
        **dict.fromkeys(CONTAINERD_BINARIES, release.containerd),
        "runc": release.runc,
    }
    return [
        *(
            _place(name, FileKind.BINARY, f"bin/{name}.gz", version, roles=(CONTROL_PLANE,) if name == "kubectl" else ROLES)
            for name, version in binaries.items()
        ),
        *(_place(name, FileKind.CNI_PLUGIN, f"cni/{name}.gz", release.cni_plugins) for name in CNI_PLUGINS),
    ]


def _unit_places(release: KubernetesRelease) -> list[Place]:
    versions = {"containerd.service": release.containerd, "kubelet.service": release.kubernetes, "10-kubeadm.conf": release.kubernetes}
    return [_place(name, FileKind.UNIT, f"units/{name}", version) for name, version in versions.items()]


def _place(name: str, kind: FileKind, path: str, version: str, roles: tuple[str, ...] = ROLES) -> Place:
    target = TARGETS[kind][name]
    return Place(name, kind, PurePosixPath(path), version, target=target.path, mode=target.mode, roles=roles)


def _image_places(release: KubernetesRelease) -> list[Place]:
    return [
        Place(
            name,
            FileKind.IMAGE,
            PurePosixPath("images", f"{name}.tar"),
            reference.rpartition(":")[2],
            roles=(CONTROL_PLANE,) if name in (*CONTROL_PLANE_IMAGES, "etcd") else ROLES,
            cni=next((cni for cni in IN_BUNDLES if name.startswith(cni)), None),
            images=(reference,),
        )
        for name, reference in image_references(release).items()
    ]
