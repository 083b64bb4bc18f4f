"""The Debian packages that this machine needs for a lab."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault
from lab.command import command

# a program or file of a package -> the package, for Debian and Ubuntu
NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
SYSTEM_PATH = "/usr/sbin:/sbin"  # root's PATH lacks it in some shells


def missing_packages(needed: Mapping[str, str]) -> list[str]:
    """The packages whose program or file does not exist on this machine, sorted."""
    return sorted({package for proof, package in needed.items() if not _there(proof)})


def _there(proof: str) -> bool:
    if proof.startswith("/"):
        return Path(proof).exists()
    return shutil.which(proof, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}") is not None


def install_missing(report: Callable[[str], None], needed: Mapping[str, str] | None = None) -> list[str]:
    """Install, report and return the missing packages of `needed` (default: those of a lab)."""
    packages = missing_packages(NEEDED if needed is None else needed)
    if not packages:
        return []
    if os.geteuid() != 0:
        raise EnvironmentFault(f"the lab needs these packages: {' '.join(packages)}. Install them, or run this command as root")
    if shutil.which("apt-get") is None:
        raise EnvironmentFault(f"this machine has no apt-get. Install {' '.join(packages)} by hand")
    report(f"installing Debian packages: {' '.join(packages)}")
    command(["apt-get", "update", "-q"], limit=300)
    command(
        [
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            "-o",
            "DPkg::Lock::Timeout=120",
            *packages,
        ],
        limit=900,
    )
    return packages
