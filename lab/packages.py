"""The Debian packages that this machine needs for a lab."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from cluster.errors import EnvironmentFault
from lab.command import command

# program -> package that has it, in Debian and Ubuntu alike
NEEDED = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "setsid": "util-linux",
}
SYSTEM_PATH = "/usr/sbin:/sbin"  # root's PATH lacks it in some shells
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def missing_packages() -> list[str]:
    """Packages whose program is not on this machine, sorted."""
    found = {
        package
        for program, package in NEEDED.items()
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None
    }
    return sorted(found | (set() if KEYRING.exists() else {"debian-archive-keyring"}))


def install_missing(say: Callable[[str], None]) -> list[str]:
    """Install what is missing, say what, and return it; nothing is done (or said) when all is there."""
    packages = missing_packages()
    if not packages:
        return []
    if os.geteuid() != 0:
        raise EnvironmentFault(f"the lab needs root, and these packages: {' '.join(packages)}")
    if shutil.which("apt-get") is None:
        raise EnvironmentFault(f"this machine has no apt-get: install {' '.join(packages)} yourself")
    say(f"installing Debian packages: {' '.join(packages)}")
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
