"""Debian packages: those that the builder needs on this machine, and those that images are based on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from bundle.progress import Progress
from cluster.errors import EnvironmentFault
from lab.base import SUITE
from lab.build.program import Programs

# what proves that a package is there -> the package; libseccomp goes statically into runc
_NEEDED = {
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
# what the network check and a person in a probe pod call: busybox-static for the small tools, libc-bin for getent
PROBE_PACKAGES = ("busybox-static", "ca-certificates", "curl", "dash", "iproute2", "iputils-ping", "libc-bin", "netcat-openbsd")
BUSYBOX_PACKAGES = ("busybox-static",)


def install_missing(progress: Callable[[str], None]) -> list[str]:
    """Install what the builder lacks, say what, and return it; nothing is done (or said) when all is there."""
    missing = sorted({package for proof, package in _NEEDED.items() if not _there(proof)})
    if not missing:
        return []
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EnvironmentFault(f"building a bundle needs these Debian packages, and root and apt-get to install them: {' '.join(missing)}")
    progress(f"installing: {' '.join(missing)}")
    programs = Programs()
    shown = Progress(progress, ["Debian packages"], "installing")
    with shown.beating(), shown.part("Debian packages"):
        programs.run(["apt-get", "update", "-q"], limit=300)
        programs.run(
            ["apt-get", "install", "-y", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *missing],
            environment={"DEBIAN_FRONTEND": "noninteractive"},
            limit=900,
        )
    return missing


def unpack_packages(packages: tuple[str, ...], target: Path, programs: Programs) -> None:
    """A tar of the packages and all they depend on, unpacked but not set up: no shell and no alternatives come with it."""
    programs.run(
        ["mmdebstrap", "--variant=extract", "--format=tar", f"--include={','.join(packages)}", SUITE, str(target)],
        environment={"TMPDIR": "/var/tmp"},  # where an overlay or a small tmpfs is not in the way
        limit=900,
    )


def _there(proof: str) -> bool:
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None
