"""Unpacks single files of a bundle for use on this machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from bundle.gunzip import DamagedContent
from bundle.manifest import BundleFile, FileKind, read_manifest
from bundle.verify import content_of, sha256_of
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
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if not _matches(file, content_of(folder, file), temporary):
            raise EnvironmentFault(f"{name} of the bundle at {folder} is damaged: run `sixstack bundle verify` to list the damaged files")
        temporary.chmod(file.mode)
        # atomically, because another process may run the old file
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _matches(file: BundleFile, content: Iterator[bytes], target: Path) -> bool:
    """Write the content; whether it is the one in the manifest."""
    digest = hashlib.sha256()
    try:
        with target.open("wb") as out:
            for piece in content:
                out.write(piece)
                digest.update(piece)
    except DamagedContent:
        return False
    return digest.hexdigest() == file.content_sha256
