"""The cache folder: one writer at a time, atomic writes, and removal of the files of killed builds."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bundle.verify import sha256_of

_TEMPORARY = ".partial-"


def key_of(*inputs: Any) -> str:
    """A short key for inputs. Equal inputs give equal keys."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]


class Store:
    """Built files by name and by the key of their inputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts = folder / "parts"
        self.bundles = folder / "bundles"

    @contextmanager
    def locked(self, report: Callable[[str], None]) -> Iterator[None]:
        """Hold the lock of the builder; a wait for another builder is reported. The kernel releases the lock of a killed builder."""
        self.parts.mkdir(parents=True, exist_ok=True)
        self.bundles.mkdir(parents=True, exist_ok=True)
        with (self.folder / "build.lock").open("a") as lock:
            waited = 0
            while not _try_lock(lock.fileno()):
                if waited % 10 == 0:
                    report(f"another build holds {self.folder}: waiting ({waited} s)")
                time.sleep(1)
                waited += 1
            self._sweep()
            yield

    def has(self, name: str, key: str) -> bool:
        """Whether the part exists and is undamaged."""
        path, mark = self.parts / f"{name}-{key}", self.parts / f"{name}-{key}.sha256"
        return path.is_file() and mark.is_file() and mark.read_text() == sha256_of(path)

    def part(self, name: str, key: str, make: Callable[[Path], object]) -> Path:
        """The file `name` for the inputs `key`: from the cache if it exists and is undamaged, else made by `make(temporary path)`."""
        path = self.parts / f"{name}-{key}"
        mark = self.parts / f"{name}-{key}.sha256"
        if self.has(name, key):
            return path
        temporary = self.temporary(self.parts, path.name)
        make(temporary)
        sync(temporary)
        _write(mark, sha256_of(temporary))
        temporary.replace(path)
        return path

    def temporary(self, folder: Path, name: str) -> Path:
        """A temporary path in `folder`. After a killed build, the next builder removes it."""
        return folder / f"{_TEMPORARY}{os.getpid()}-{name}"

    def _sweep(self) -> None:
        """Remove the temporary files of killed builds, while the lock is held."""
        for folder in (self.parts, self.bundles):
            for left in folder.glob(f"{_TEMPORARY}*"):
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Write the file to disk before it gets its final name, so that a power failure cannot leave an empty file with that name."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    temporary.write_text(text)
    temporary.replace(path)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
