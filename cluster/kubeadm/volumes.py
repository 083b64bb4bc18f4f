"""What the containers of the control plane see of the host: kubeadm's own mounts, and the volumes and files of the cluster file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from cluster.vocabulary.spec import ClusterSpec, Volume, VolumeType

# `kubeadm.files` are written here on every host, and mounted read-only at the same path
FILES_FOLDER = "/etc/kubernetes/sixstack"
FILES_VOLUME = "sixstack-files"
# components that can have volumes, as in `kubeadm.extra_volumes`
COMPONENTS = ("apiserver", "controller_manager", "scheduler")
_LONGEST_PATH = 4096  # PATH_MAX of Linux
# names of kubeadm's own volumes: an extra volume with such a name replaces the volume of kubeadm
OWN_VOLUMES = (
    "k8s-certs",
    "ca-certs",
    "kubeconfig",
    "flexvolume-dir",
    "etc-pki-ca-trust",
    "etc-pki-tls-certs",
    "etc-ca-certificates",
    "usr-share-ca-certificates",
    "usr-local-share-ca-certificates",
    FILES_VOLUME,
)


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder or file of a container."""

    path: str
    read_only: bool


_AUTHORITIES = (
    Mount("/etc/kubernetes/pki", read_only=True),
    Mount("/etc/ssl/certs", read_only=True),
    # where /etc/ssl/certs may have links to; mounted if the host has them
    Mount("/etc/pki/ca-trust", read_only=True),
    Mount("/etc/pki/tls/certs", read_only=True),
    Mount("/etc/ca-certificates", read_only=True),
    Mount("/usr/share/ca-certificates", read_only=True),
    Mount("/usr/local/share/ca-certificates", read_only=True),
)
# kubeadm 1.35 to 1.37, cmd/kubeadm/app/phases/controlplane/volumes.go and cmd/kubeadm/app/phases/etcd/local.go
KUBEADM_MOUNTS: dict[str, tuple[Mount, ...]] = {
    "apiserver": _AUTHORITIES,
    "controller_manager": (*_AUTHORITIES, Mount("/etc/kubernetes/controller-manager.conf", read_only=True)),
    "scheduler": (Mount("/etc/kubernetes/scheduler.conf", read_only=True),),
    "etcd": (Mount("/var/lib/etcd", read_only=False), Mount("/etc/kubernetes/pki/etcd", read_only=False)),
}


def volumes_of(spec: ClusterSpec, component: str) -> tuple[Volume, ...]:
    """The volumes that the cluster file adds to a component: its own, and the folder of `kubeadm.files`."""
    given = next((volumes for name, volumes in spec.kubeadm.extra_volumes.items() if name == component), ())
    files = Volume.model_construct(
        name=FILES_VOLUME, host_path=FILES_FOLDER, mount_path=None, read_only=True, path_type=VolumeType.DIRECTORY
    )
    return (*given, files) if spec.kubeadm.files and component in COMPONENTS else given


def mounts_of(spec: ClusterSpec, component: str) -> tuple[Mount, ...]:
    """Everything of the host that the container of a component sees."""
    return (*KUBEADM_MOUNTS[component], *(Mount(volume.inside, volume.read_only) for volume in volumes_of(spec, component)))


class Mounts:
    """Finds the mount that a file is in."""

    def __init__(self, mounts: Iterable[Mount]) -> None:
        self._by_path: dict[PurePosixPath, Mount] = {}
        for mount in mounts:
            self._by_path.setdefault(PurePosixPath(mount.path), mount)

    def of(self, path: str) -> Mount | None:
        """The innermost mount that contains a path, or None."""
        if len(path) >= _LONGEST_PATH:
            return None
        place = PurePosixPath(path)
        return next((self._by_path[at] for at in (place, *place.parents) if at in self._by_path), None)
