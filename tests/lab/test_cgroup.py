"""Which cgroup hierarchies a machine has."""

from __future__ import annotations

from pathlib import Path

from lab.cgroup import hierarchies

HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
cgroup /somewhere/else cgroup rw,relatime,cpu 0 0
"""
UNIFIED = """\
sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0
"""


def test_a_v1_or_hybrid_machine_has_a_hierarchy_a_controller() -> None:
    """Each mount below /sys/fs/cgroup is one, the hybrid's v2 tree too; mounts elsewhere are not."""
    found = hierarchies(HYBRID)
    assert not found.v2
    assert found.mounts == (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))


def test_a_v2_machine_has_one() -> None:
    """cgroup2 at /sys/fs/cgroup itself is v2."""
    found = hierarchies(UNIFIED)
    assert found.v2
    assert found.mounts == (Path("/sys/fs/cgroup"),)


def test_a_machine_without_any_is_told_apart() -> None:
    """No mount, no hierarchy."""
    assert hierarchies("proc /proc proc rw 0 0\n").mounts == ()
