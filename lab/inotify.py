"""The free inotify instances of this machine.

The limit per user, 128 by default, applies to the machine and all lab hosts together, because they share root. Without a free instance,
containerd and kubelet do not start ("too many open files"). The limit is a sysctl of the machine, so only its owner should raise it.
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
    """Return a warning when a cluster on so many additional hosts would exceed the machine's limit, else None.

    EnvironmentFault when even their systemd could not start and would hang during the boot.
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
    """The number of instances that this user may still open, at most `enough`. The kernel does not report it, so they are opened and closed."""
    libc = ctypes.CDLL(None, use_errno=True)
    opened: list[int] = []
    try:
        while len(opened) < enough and (handle := libc.inotify_init1(os.O_CLOEXEC)) >= 0:
            opened.append(handle)
    finally:
        for handle in opened:
            os.close(handle)
    return len(opened)
