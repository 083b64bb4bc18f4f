"""The Kubernetes releases that this version of sixstack supports, and the versions of their components.

To support another minor, add its entry to RELEASES and its modules below lab/build/modules/MINOR/.
"""

from __future__ import annotations

from dataclasses import dataclass

Minor = tuple[int, int]


def minor_of(version: str) -> Minor:
    """Major and minor number of a version such as 1.36.3 or v1.36.3."""
    major, minor, _ = version.removeprefix("v").split(".")
    return int(major), int(minor)


def minor_text(minor: Minor) -> str:
    """A minor version as text: 1.36."""
    return f"{minor[0]}.{minor[1]}"


@dataclass(frozen=True, slots=True)
class KubernetesRelease:
    """The versions of the components of one release, as published but without a leading v.

    The first six come from the release itself: etcd, CoreDNS and pause from cmd/kubeadm/app/constants, agnhost from test/images/agnhost/VERSION.
    """

    kubernetes: str
    etcd: str
    etcd_image: str
    coredns: str
    pause: str
    agnhost: str
    # one version for all minors: kubelet 1.36 and newer need containerd 2.x, and 1.35 supports it
    containerd: str = "2.2.1"
    runc: str = "1.3.4"
    cni_plugins: str = "1.9.1"
    flannel: str = "0.28.10"
    flannel_cni_plugin: str = "1.9.1-flannel3"
    calico: str = "3.31.0"

    @property
    def minor(self) -> Minor:
        """Major and minor number."""
        return minor_of(self.kubernetes)


# Oldest first. https://kubernetes.io/releases/ lists the minors that Kubernetes maintains. All of them have kubeadm's v1beta4
# (since 1.31) and kube-proxy's nftables mode (since 1.33).
RELEASES = (
    KubernetesRelease("1.35.4", etcd="3.6.6", etcd_image="3.6.6-0", coredns="1.13.1", pause="3.10.1", agnhost="2.59"),
    KubernetesRelease("1.36.3", etcd="3.6.8", etcd_image="3.6.8-0", coredns="1.14.2", pause="3.10.2", agnhost="2.63.0"),
    KubernetesRelease("1.37.2", etcd="3.7.0", etcd_image="3.7.0-0", coredns="1.14.6", pause="3.10.2", agnhost="2.66.1"),
)
# default of cluster files and commands
DEFAULT_RELEASE = RELEASES[1]
# a cluster file can have any patch release of these minors; its bundle must have the same version
OLDEST_MINOR, NEWEST_MINOR = RELEASES[0].minor, RELEASES[-1].minor


def exact_release(version: str) -> KubernetesRelease | None:
    """The entry of exactly this version, with or without a leading v."""
    return next((release for release in RELEASES if release.kubernetes == version.removeprefix("v")), None)


def release_of_minor(version: str) -> KubernetesRelease | None:
    """The entry of the minor of this version, or None."""
    return next((release for release in RELEASES if release.minor == minor_of(version)), None)


def release_for(version: str) -> KubernetesRelease:
    """The entry of the minor of this version, else the default release. Rule kubernetes-version-unsupported reports an unknown minor."""
    return release_of_minor(version) or DEFAULT_RELEASE
