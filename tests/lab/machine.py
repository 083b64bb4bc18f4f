"""What belongs to the machine below a lab, and what a lab puts on it."""

from __future__ import annotations

import subprocess
from pathlib import Path

# These change by themselves, whatever anybody does.
_RESTLESS = (
    "/proc/sys/fs/aio-nr",
    "/proc/sys/fs/dentry-state",
    "/proc/sys/fs/file-nr",
    "/proc/sys/fs/quota/syncs",
    "/proc/sys/fs/inode-nr",
    "/proc/sys/fs/inode-state",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/kernel/random/",
    "/proc/sys/kernel/pty/nr",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/dev/cdrom/info",
)

# of any lab, which other tests may boot or remove meanwhile; systemd-nspawn makes a host's link here, under its later name, and moves it
LINKS_OF_LABS = ("six-", "vb-", "host0")


def settings() -> dict[str, str]:
    """Every sysctl of this machine (those of links that come and go left out), and its swap."""
    found = {"/proc/swaps": Path("/proc/swaps").read_text()}
    for path in Path("/proc/sys").rglob("*"):
        name = str(path)
        if path.is_file() and not name.startswith(_RESTLESS) and not any(part.startswith(LINKS_OF_LABS) for part in path.parts):
            try:
                found[name] = path.read_text()
            except OSError:  # written only, or of a device that is not there
                continue
    return found


def remains(lab: str) -> str:
    """What a lab has left on this machine: mounts, links, cgroups, processes, folders, claims. Empty: nothing."""
    script = f"""
    grep -E '/sixstack-lab/{lab}/' /proc/self/mountinfo
    ip -brief link | grep -E '^(six-{lab}|vb-{lab}-[0-9]+)[ @]'
    ls -d /sys/fs/cgroup/*/sixstack-lab/{lab} /sys/fs/cgroup/sixstack-lab/{lab} /var/lib/sixstack-lab/{lab} 2>/dev/null
    grep -l /sixstack-lab/{lab} /var/lib/sixstack-lab/.ranges/* 2>/dev/null
    grep -lz -e '--machine={lab}-[0-9]*$' /proc/[0-9]*/cmdline 2>/dev/null
    """
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60).stdout


def ssh(key_file: Path, user: str, address: str, command: str, known_hosts: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command with OpenSSH's client; the host key must be in `known_hosts` when that is given."""
    trust = (
        ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known_hosts}"]
        if known_hosts
        else ["-o", "StrictHostKeyChecking=no"]
    )
    options = ["-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR", *trust]
    options += [] if known_hosts else ["-o", "UserKnownHostsFile=/dev/null"]
    whole = ["ssh", *options, "-i", str(key_file), f"{user}@{address}", command]
    return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=60)
