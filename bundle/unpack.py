"""Unpacks single files of a bundle for use on this machine."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Protocol

from bundle.manifest import Encoding, FileKind, read_manifest
from bundle.verify import sha256_of
from cluster.vocabulary.errors import EnvironmentFault


def unpack(folder: Path, name: str, target: Path) -> Path:
    """Unpack a binary or plug-in of the bundle in `folder` to `target`, executable. An equal file at `target` is kept.

    Returns `target`. EnvironmentFault when the bundle has no file of this name, or the file does not match the manifest.
    """
    file = next((file for file in read_manifest(folder).files if file.name == name and file.kind is not FileKind.IMAGE), None)
    if file is None:
        raise EnvironmentFault(f"the bundle at {folder} has no {name}")
    if target.is_file() and sha256_of(target) == file.content_sha256:
        return target
    with (folder / file.path).open("rb") as stored:
        _place(gzip.GzipFile(fileobj=stored) if file.encoding is Encoding.GZIP else stored, target, file.mode)
    if sha256_of(target) != file.content_sha256:
        target.unlink()
        raise EnvironmentFault(f"{name} of the bundle at {folder} is damaged: run `sixstack bundle verify` to list the damaged files")
    return target


class _Readable(Protocol):
    """The source of the content."""

    def read(self, size: int = -1, /) -> bytes: ...


def _place(source: _Readable, target: Path, mode: int) -> None:
    """Write atomically, because another process may run the old file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    with temporary.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    temporary.chmod(mode)
    temporary.replace(target)
