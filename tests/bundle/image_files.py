"""Extracts single files of an image of a bundle: tests run etcd and kube-apiserver of the bundle on this machine."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import zstandard

from bundle.manifest import FileKind, read_manifest


def unpack_from_image(folder: Path, name: str, path: str, target: Path) -> Path:
    """Extract one file of an image (by the image's name in the manifest, such as kube-apiserver) to `target`, executable.

    `path` is relative to the image's root. Returns `target`. LookupError when there is no such image or file.
    """
    stored = next((file for file in read_manifest(folder).files if file.name == name and file.kind is FileKind.IMAGE), None)
    if stored is None:
        raise LookupError(f"the bundle at {folder} has no image {name}")
    with tarfile.open(folder / stored.path) as archive:
        index = json.load(_member(archive, "index.json"))
        manifest = json.load(_blob(archive, index["manifests"][0]["digest"]))
        # a later layer covers an earlier one
        for described in reversed(manifest["layers"]):
            with _layer(archive, described) as layer:
                for found in layer:
                    content = layer.extractfile(found) if found.isreg() and found.name.removeprefix("./") == path else None
                    if content is not None:
                        target.parent.mkdir(parents=True, exist_ok=True)
                        with target.open("wb") as out:
                            shutil.copyfileobj(content, out, 1 << 20)
                        target.chmod(found.mode)
                        return target
    raise LookupError(f"image {name} of the bundle at {folder} has no file {path}")


@contextmanager
def _layer(archive: tarfile.TarFile, described: dict[str, str]) -> Iterator[tarfile.TarFile]:
    """The tar file of a layer as a stream, decompressed."""
    stream = _blob(archive, described["digest"])
    if described["mediaType"].endswith("zstd"):
        with zstandard.ZstdDecompressor().stream_reader(stream) as content, tarfile.open(fileobj=content, mode="r|") as tar:
            yield tar
    else:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            yield tar


def _blob(archive: tarfile.TarFile, digest: str) -> IO[bytes]:
    return _member(archive, f"blobs/{digest.replace(':', '/')}")


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    stream = archive.extractfile(name)
    assert stream is not None, f"{name} is not a file"
    return stream
