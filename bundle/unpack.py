"""Takes single files out of a bundle, for use on this machine."""

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
    """Put a binary or plugin of the bundle in `folder`, decoded and executable, at `target`; nothing is done when it is there.

    Returns `target`. EnvironmentFault when the bundle has none of that name, or its content is not what the manifest says.
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
    """What content is read from."""

    def read(self, size: int = -1, /) -> bytes: ...


def _place(source: _Readable, target: Path, mode: int) -> None:
    """Write atomically: another process may be running the old one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    with temporary.open("wb") as out:
        shutil.copyfileobj(source, out, 1 << 20)
    temporary.chmod(mode)
    temporary.replace(target)
