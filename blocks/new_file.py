"""Writes files of a local folder that are complete or absent, and that only their owner can read."""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

_number = itertools.count()
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EACCES, errno.EMLINK, errno.ENOSYS}


def create_file(path: Path, content: bytes) -> None:
    """Create a file with mode 0600; FileExistsError when there is one. A killed process leaves at most a file `.NAME.….new` beside it."""
    new = _written(path, content)
    try:
        os.link(new, path)  # a rename would replace an existing file
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        new.rename(path)  # a file system without hard links
    finally:
        new.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file with mode 0600, also in place of an older one."""
    new = _written(path, content)
    try:
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def make_private_folder(folder: Path) -> None:
    """Create a folder and those above it with mode 0700. Existing ones keep their mode."""
    if not folder.is_dir():
        make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _written(path: Path, content: bytes) -> Path:
    new = path.with_name(f".{path.name}.{os.getpid()}-{next(_number)}.new")
    new.unlink(missing_ok=True)  # of an earlier process with this id
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        new.unlink(missing_ok=True)
        # a full disk: the error of a write has no name
        raise type(error)(error.errno, error.strerror, str(path)) from None
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    return new
