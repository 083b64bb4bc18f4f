"""The mounts of this machine below a folder, and the removal of a folder with mounts."""

from __future__ import annotations

from pathlib import Path

from lab.command import command


def mount_points(text: str) -> list[Path]:
    """The mount points in the text of /proc/self/mountinfo, in mount order (octal escapes decoded, proc(5))."""
    return [Path(line.split()[4].encode().decode("unicode_escape")) for line in text.splitlines() if line]


def mounted_below(folder: Path) -> list[Path]:
    """The mount points at or below `folder`, the latest mount first."""
    found = mount_points(Path("/proc/self/mountinfo").read_text())
    return [point for point in reversed(found) if point == folder or folder in point.parents]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below `folder`. A busy mount is detached and disappears with its last user."""
    for point in mounted_below(folder):
        command(["umount", "--lazy", str(point)], may_fail=True)


def remove_tree(folder: Path) -> None:
    """Remove `folder` with its content, but nothing on file systems that are mounted below it."""
    unmount_below(folder)
    command(["rm", "-rf", "--one-file-system", str(folder)], limit=300)
