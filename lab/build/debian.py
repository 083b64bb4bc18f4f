"""The Debian packages of the builder on this machine, and those in the images."""

from __future__ import annotations

from pathlib import Path

from lab.base import DEFAULT_DEBIAN, SUITES
from lab.build.program import Programs

# a program or file of a package -> the package; libseccomp is linked statically into runc
BUILDER_PACKAGES = {
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
    "/usr/include/seccomp.h": "libseccomp-dev",
    "mmdebstrap": "mmdebstrap",
    "pkg-config": "pkg-config",
    "setpriv": "util-linux",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}

# the programs that kube-proxy and flannel call
NETWORK_PACKAGES = ("conntrack", "ipset", "iproute2", "iptables", "kmod", "nftables")
# the supervisor of the processes of calico-node
SUPERVISOR_PACKAGES = ("runit",)
# the programs for the network check and for debugging in a probe pod: busybox-static has the small tools, libc-bin has getent
PROBE_PACKAGES = ("busybox-static", "ca-certificates", "curl", "dash", "iproute2", "iputils-ping", "libc-bin", "netcat-openbsd")
BUSYBOX_PACKAGES = ("busybox-static",)


def unpack_packages(packages: tuple[str, ...], target: Path, programs: Programs) -> None:
    """Write a tar file of the unpacked packages and their dependencies. They are not configured: no shell, no alternatives."""
    programs.run(
        ["mmdebstrap", "--variant=extract", "--format=tar", f"--include={','.join(packages)}", SUITES[DEFAULT_DEBIAN], str(target)],
        environment={"TMPDIR": "/var/tmp"},  # /tmp may be a small tmpfs or an overlay
        limit=900,
    )
