"""Debian packages: those that the builder needs on this machine, and those that images are based on."""

from __future__ import annotations

from pathlib import Path

from lab.base import SUITE
from lab.build.program import Programs

# what proves that a package is there -> the package; libseccomp goes statically into runc
BUILDER_PACKAGES = {
    "gcc": "gcc",
    "/usr/include/stdlib.h": "libc6-dev",
    "/usr/include/seccomp.h": "libseccomp-dev",
    "mmdebstrap": "mmdebstrap",
    "pkg-config": "pkg-config",
    "setpriv": "util-linux",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}

# what kube-proxy and flannel call
NETWORK_PACKAGES = ("conntrack", "ipset", "iproute2", "iptables", "kmod", "nftables")
# the supervisor of what calico-node consists of
SUPERVISOR_PACKAGES = ("runit",)
# what the network check and a person in a probe pod call: busybox-static for the small tools, libc-bin for getent
PROBE_PACKAGES = ("busybox-static", "ca-certificates", "curl", "dash", "iproute2", "iputils-ping", "libc-bin", "netcat-openbsd")
BUSYBOX_PACKAGES = ("busybox-static",)


def unpack_packages(packages: tuple[str, ...], target: Path, programs: Programs) -> None:
    """A tar of the packages and all they depend on, unpacked but not set up: no shell and no alternatives come with it."""
    programs.run(
        ["mmdebstrap", "--variant=extract", "--format=tar", f"--include={','.join(packages)}", SUITE, str(target)],
        environment={"TMPDIR": "/var/tmp"},  # where an overlay or a small tmpfs is not in the way
        limit=900,
    )
