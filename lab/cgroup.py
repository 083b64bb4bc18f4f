"""A separate cgroup for each lab host, on machines with cgroup v1 (hybrid) or v2.

On v1, systemd-nspawn runs in the cgroup of its caller in every hierarchy, but kubelet in the host needs a cgroup that it may fill.
Therefore the launcher first enters a new cgroup in each hierarchy, and the cgroup namespace makes this cgroup the root of the host.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault

ROOT = Path("/sys/fs/cgroup")
_OURS = "sixstack-lab"


@dataclass(frozen=True)
class Hierarchies:
    """The cgroup hierarchies of this machine."""

    v2: bool
    mounts: tuple[Path, ...]


def hierarchies(mounts: str, root: Path = ROOT) -> Hierarchies:
    """Parse the text of /proc/self/mounts: one v2 tree at `root`, or the v1 trees below it (with the v2 tree of a hybrid machine)."""
    found = [(Path(fields[1]), fields[2]) for fields in (line.split() for line in mounts.splitlines()) if len(fields) > 2]
    trees = [(point, kind) for point, kind in found if kind in ("cgroup", "cgroup2") and (point == root or root in point.parents)]
    if any(point == root and kind == "cgroup2" for point, kind in trees):
        return Hierarchies(v2=True, mounts=(root,))
    return Hierarchies(v2=False, mounts=tuple(dict.fromkeys(point for point, _ in trees)))


def of_this_machine() -> Hierarchies:
    """The cgroup hierarchies of this machine; EnvironmentFault when it has none."""
    found = hierarchies(Path("/proc/self/mounts").read_text())
    if not found.mounts:
        raise EnvironmentFault(f"no cgroup hierarchy is mounted below {ROOT}: systemd in the lab hosts needs one")
    return found


def make(lab: str, host: str) -> tuple[Path, ...]:
    """Create the host's cgroup in every hierarchy and return the folders."""
    machine = of_this_machine()
    return tuple(_make_in(mount, lab, host, machine.v2) for mount in machine.mounts)


def _make_in(mount: Path, lab: str, host: str, v2: bool) -> Path:
    for _ in range(20):
        folder = mount
        try:
            for part in (_OURS, lab, host):
                if v2:
                    _delegate_controllers(folder)
                parent, folder = folder, folder / part
                folder.mkdir(exist_ok=True)
                _inherit_cpuset(parent, folder)
        except FileNotFoundError:
            continue  # a concurrent removal of another host or lab removed the empty parent folders
        return folder
    raise EnvironmentFault(f"another process keeps removing the cgroup folders below {mount / _OURS}")


def _inherit_cpuset(parent: Path, folder: Path) -> None:
    """Copy the parent's cpuset: a new v1 cpuset is empty and accepts no process. Children that the host creates copy it too."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists() and not (folder / name).read_text().strip() and (folder / "cgroup.clone_children").exists():
            (folder / name).write_text((parent / name).read_text())
    if (folder / "cpuset.cpus").exists() and (folder / "cgroup.clone_children").exists():
        (folder / "cgroup.clone_children").write_text("1")


def _delegate_controllers(folder: Path) -> None:
    for controller in (folder / "cgroup.controllers").read_text().split():
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError as error:
            raise EnvironmentFault(f"cgroup controller {controller} cannot be enabled below {folder}: {error}") from error


def folders_of(lab: str, host: str | None = None) -> list[Path]:
    """The existing cgroup folders of a lab, or of one of its hosts."""
    tail = Path(_OURS, lab, *([host] if host else []))
    return [mount / tail for mount in of_this_machine().mounts if (mount / tail).is_dir()]


def processes(lab: str, host: str | None = None) -> set[int]:
    """The ids of the processes in the cgroups of a lab or of one host (with those of nested PID namespaces)."""
    found: set[int] = set()
    for folder in folders_of(lab, host):
        for below in _with_children(folder):
            try:
                found |= {int(pid) for pid in (below / "cgroup.procs").read_text().split()}
            except OSError:  # the folder is removed, or threaded: then its parent lists the processes
                continue
    return found - {0}


def _with_children(folder: Path) -> Iterator[Path]:
    for path, _names, _files in os.walk(folder, topdown=False):
        yield Path(path)


def kill(lab: str, host: str | None = None, *, limit: float = 30) -> None:
    """Kill every process in the cgroups of a lab or host and wait for their end, at most `limit` seconds."""
    deadline = time.monotonic() + limit
    while left := processes(lab, host):
        if time.monotonic() > deadline:
            raise EnvironmentFault(f"processes {sorted(left)} of lab {lab} could not be killed within {limit:.0f} s")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.02)


def remove(lab: str, host: str | None = None, *, limit: float = 10) -> None:
    """Remove the empty cgroups of a lab or host, and their unused parent folders."""
    deadline = time.monotonic() + limit
    for folder in folders_of(lab, host):
        while folder.exists() and not _remove_tree(folder):
            if time.monotonic() > deadline:
                raise EnvironmentFault(f"cgroup {folder} cannot be removed: it still has processes")
            time.sleep(0.02)
    for mount in of_this_machine().mounts:
        for folder in (mount / _OURS / lab, mount / _OURS):
            try:
                folder.rmdir()
            except OSError:  # does not exist, or another host or lab uses it
                continue


def _remove_tree(folder: Path) -> bool:
    """Remove a cgroup folder with its children; False when a folder is in use (EBUSY until its last process is reaped)."""
    for below in _with_children(folder):
        try:
            below.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
