"""Fedora, Red Hat Enterprise Linux and derivatives (CentOS Stream, Rocky, Alma), with dnf. Not tested, only for hints."""

from __future__ import annotations

from cluster.operating_systems.protocol import OperatingSystem

RED_HAT = OperatingSystem(
    title="Red Hat",
    ids=("fedora", "rhel", "centos"),
    install="dnf install",
    remove="dnf remove",
    packages={
        "flock": "util-linux",
        "gzip": "gzip",
        "ip": "iproute",
        "losetup": "util-linux",
        "modprobe": "kmod",
        "mount": "util-linux",
        "nft": "nftables",
        "perl": "perl-Errno perl-Fcntl perl-Socket perl-interpreter",  # perl-interpreter alone has none of the modules that sixstack uses
        "systemctl": "systemd",
        "systemd-run": "systemd",
        "tar": "tar",
    },
    default_package="coreutils",
)
