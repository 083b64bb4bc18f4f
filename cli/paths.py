"""Paths as arguments of subcommands."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def path(text: str) -> Path:
    """The `type` of an argument that is a path. An empty one, as of an unset variable, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' is not a path")
    return Path(text)


def from_home(text: str) -> str:
    """The `type` of an argument that is a path and is used as text, with the home of `~`."""
    found = os.path.expanduser(text)
    if not text or (found.startswith("~") and not os.path.lexists(found)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a path" if not text else f"{text!r}: there is no such home: write the whole path"
        )
    return found


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
