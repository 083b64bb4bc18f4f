"""Paths as arguments of subcommands."""

from __future__ import annotations

import argparse
from pathlib import Path


def path(text: str) -> Path:
    """The `type` of an argument that is a path. An empty one, as of an unset variable, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' is not a path")
    return Path(text)


def expanded(option: str, given: Path) -> Path:
    """The path with the home of `~`. ValueError for one that a settings file or a systemd unit cannot have."""
    try:
        found = given.expanduser()
    except RuntimeError:  # no such user
        raise ValueError(f"{option} {str(given)!r}: there is no such home: write the whole path") from None
    absolute = str(found.absolute())
    if not absolute.isprintable() or absolute != absolute.rstrip(" \\"):
        raise ValueError(f"{option} {str(given)!r}: use a path of printable UTF-8 characters, without a blank or a backslash at its end")
    return found
