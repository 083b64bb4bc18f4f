"""What hinders a set-up. All of it is found before anything is made or changed."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault

_LONGEST_NAME = 255  # bytes, of a file


def user_name() -> str:
    """The name of this user, or its number: a container may run with a number that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())


def of_path(folder: Path) -> Iterator[str]:
    """Why this folder cannot be made, or nothing be written into it."""
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in folder.parts):
        yield f"{folder} cannot be made: a part of this path is longer than {_LONGEST_NAME} bytes. Choose a shorter one"
        return
    existing = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not existing.is_dir():
        yield f"{folder} cannot be made: {existing} is not a folder. Remove it, or choose another place"
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield f"{folder} cannot be written: {user_name()} may not write into {existing}. Change its owner or mode, or choose another place"


def of_folder(folder: Path, *, is_set_up: bool) -> Iterator[str]:
    """Why the settings and the database cannot be in this folder."""
    yield from of_path(folder)
    if not folder.is_dir():
        return
    found = folder.stat()
    # Python runs modules of the folder in which the server and the worker start
    if found.st_uid not in {0, os.geteuid()}:
        yield f"{folder} belongs to another user, who could change what runs there: choose another --folder"
    if found.st_mode & 0o002:
        yield f"every user can write into {folder}, and change what runs there: choose another --folder, or chmod o-w it"
    if not is_set_up and os.access(folder, os.R_OK | os.X_OK):
        home = folder / "prefect"
        others = [folder / name for name in ("tmp", "server.log", "worker.log") if os.path.lexists(folder / name)]
        # an interrupted setup leaves the database without its settings
        others += [each for each in sorted(home.iterdir()) if not each.name.startswith("prefect.db")] if home.is_dir() else []
        if others:
            named = ", ".join(map(str, others[:3])) + (", ..." if len(others) > 3 else "")
            yield f"{named}: not of `sixstack setup`, and `sixstack server down --purge` would remove it: choose another --folder"


def of_home() -> Iterator[str]:
    """Why commands would not find the server in other folders."""
    from server.pointer import pointer_file

    try:
        file = pointer_file()
    except RuntimeError:
        yield f"user {user_name()} has no home folder: set HOME or XDG_CONFIG_HOME, whose folder gets the path of the set-up"
        return
    yield from of_path(file.parent)


def raise_all(hindrances: Iterator[str]) -> None:
    """EnvironmentFault with all of them, unless there is none."""
    found = list(hindrances)
    if len(found) == 1:
        raise EnvironmentFault(f"{found[0]}. Nothing was changed")
    if found:
        raise EnvironmentFault("\n- ".join([f"nothing was changed, for {len(found)} reasons:", *found]))
