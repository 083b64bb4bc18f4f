"""One binary of a bundle, decoded, for use on this machine."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from bundle.manifest import Encoding, read_manifest
from cluster.errors import EnvironmentFault


def unpack(folder: Path, name: str, target: Path) -> Path:
    """Put the bundle's file of that name at `target`, executable; nothing is done where it lies there already in that size."""
    file = next((file for file in read_manifest(folder).files if file.name == name), None)
    if file is None:
        raise EnvironmentFault(f"the bundle in {folder} has no {name}")
    if target.exists() and target.stat().st_size == file.content_size:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name}.new")
    with (gzip.open if file.encoding is Encoding.GZIP else open)(folder / file.path, "rb") as source, half.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    half.chmod(0o755)
    half.replace(target)
    return target
