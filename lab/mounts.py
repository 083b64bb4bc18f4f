"""Mounts of this machine below a folder, and removing a folder that may hold some."""

from __future__ import annotations

from pathlib import Path

from lab.command import command


def mount_points(text: str) -> list[Path]:
    """Mount points in the text of /proc/self/mountinfo, in mount order (octal escapes undone, proc(5))."""
    return [Path(line.split()[4].encode().decode("unicode_escape")) for line in text.splitlines() if line]


def mounted_below(folder: Path) -> list[Path]:
    """Mount points at or below `folder`, the latest mount first."""
    found = mount_points(Path("/proc/self/mountinfo").read_text())
    return [point for point in reversed(found) if point == folder or folder in point.parents]


def unmount_below(folder: Path) -> None:
    """Unmount all at or below `folder`; a busy one is detached, and goes when its last user does."""
    for point in mounted_below(folder):
        command(["umount", "--lazy", str(point)], may_fail=True)


def remove_tree(folder: Path) -> None:
    """Remove `folder` with everything in it, and never anything of a file system that is mounted below it."""
    unmount_below(folder)
    command(["rm", "-rf", "--one-file-system", str(folder)], limit=300)
