"""Debian and its derivatives. Tested with Debian 12 and 13 (the lab hosts)."""

from __future__ import annotations

from cluster.operating_systems.protocol import OperatingSystem

DEBIAN = OperatingSystem(
    title="Debian",
    ids=("debian",),
    install="apt-get install",
    remove="apt-get purge",
    packages={
        "flock": "util-linux",
        "gzip": "gzip",
        "ip": "iproute2",
        "losetup": "mount",
        "modprobe": "kmod",
        "mount": "mount",
        "nft": "nftables",
        "perl": "perl-base",
        "systemctl": "systemd",
        "systemd-run": "systemd",
        "tar": "tar",
    },
    default_package="coreutils",
)
