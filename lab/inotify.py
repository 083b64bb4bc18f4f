"""How many inotify instances are left on this machine.

They are counted per user for the machine and all lab hosts together (they share root), 128 by default; without one containerd and
kubelet do not start ("too many open files"). The limit is a sysctl of the machine, so it is its owner's to raise.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT_ID = 0
_CONTROL_PLANE = 26  # measured with Kubernetes 1.36: systemd 3, dbus 1, containerd 2, kubelet 7, API server 6, controllers 6, kube-proxy 1
_WORKER = 14


def inotify_shortage(hosts: int) -> str | None:
    """A warning when a cluster on that many hosts would go beyond the machine's limit; None when there is room."""
    limit = machine_limit()
    needed = _CONTROL_PLANE + _WORKER * (hosts - 1)
    used = instances_in_use()
    if used + needed <= limit:
        return None
    return (
        f"warning: a cluster of {hosts} needs about {needed} inotify instances, and {used} of this machine's {limit} are in use. "
        "If hosts fail with `too many open files`, remove another lab or raise fs.inotify.max_user_instances"
    )


def machine_limit() -> int:
    """How many instances the processes of one user may have open."""
    return int(Path("/proc/sys/fs/inotify/max_user_instances").read_text())


def instances_in_use() -> int:
    """Open inotify instances of root on this machine, those in lab hosts included; as of now (processes come and go meanwhile)."""
    found: set[tuple[str, str]] = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid != ROOT_ID:
                continue
            for handle in os.listdir(process / "fd"):
                if os.readlink(process / "fd" / handle) == "anon_inode:inotify":
                    found.add((process.name, handle))
        except OSError:  # it ended, or closed the file
            continue
    return len(found)
