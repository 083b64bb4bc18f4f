"""How many inotify instances are left on this machine.

They are counted per user for the machine and all lab hosts together (they share root), 128 by default; without one containerd and
kubelet do not start ("too many open files"). The limit is a sysctl of the machine, so it is its owner's to raise.
"""

from __future__ import annotations

import ctypes
import os

from cluster.vocabulary.errors import EnvironmentFault

# measured with Kubernetes 1.36: systemd 3, dbus 1; containerd 2, kubelet 7, kube-proxy 1; API server 6, controller manager 6
_BARE = 4
_WORKER = 14
_CONTROL_PLANE = 26


def check_inotify(hosts: int) -> str | None:
    """Whether that many more hosts have room: a warning when a cluster on them would go beyond the machine's limit, else None.

    EnvironmentFault when not even their systemd could start: it would hang in the middle of its boot.
    """
    bare, cluster = _BARE * hosts, _CONTROL_PLANE + _WORKER * (hosts - 1)
    free = free_instances(cluster)
    available = f"this machine has only {free} free inotify instances for root's processes"
    hint = "remove another lab (`sixstack lab down --lab NAME`) or raise fs.inotify.max_user_instances"
    if free < bare:
        raise EnvironmentFault(f"{available}, {hosts} more lab hosts need {bare}: {hint}")
    if free < cluster:
        return f"warning: {available}, a cluster on {hosts} more hosts needs about {cluster}. If a program fails with `too many open files`, {hint}"
    return None


def free_instances(enough: int) -> int:
    """How many more instances this user may open now, counted up to `enough`, by opening and closing them: the kernel tells nobody."""
    libc = ctypes.CDLL(None, use_errno=True)
    opened: list[int] = []
    try:
        while len(opened) < enough and (handle := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
            opened.append(handle)
    finally:
        for handle in opened:
            os.close(handle)
    return len(opened)
