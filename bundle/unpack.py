"""Takes single files out of a bundle, for use on this machine."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import zstandard

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
        raise EnvironmentFault(f"{name} of the bundle at {folder} is damaged: `sixstack bundle verify` names the files")
    return target


def unpack_from_image(folder: Path, name: str, path: str, target: Path) -> Path:
    """Put one file of an image (its name in the manifest, such as kube-apiserver) at `target`; `path` is relative to the image's root.

    Returns `target`. EnvironmentFault when there is no such image or file.
    """
    file = next((file for file in read_manifest(folder).files if file.name == name and file.kind is FileKind.IMAGE), None)
    if file is None:
        raise EnvironmentFault(f"the bundle at {folder} has no image {name}")
    with tarfile.open(folder / file.path) as archive:
        index = json.load(_member(archive, "index.json"))
        manifest = json.load(_blob(archive, index["manifests"][0]["digest"]))
        # a later layer covers an earlier one
        for described in reversed(manifest["layers"]):
            with _layer(archive, described) as layer:
                for found in layer:
                    content = layer.extractfile(found) if found.isreg() and found.name.removeprefix("./") == path else None
                    if content is not None:
                        _place(content, target, found.mode)
                        return target
    raise EnvironmentFault(f"image {name} of the bundle at {folder} has no file {path}")


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


@contextmanager
def _layer(archive: tarfile.TarFile, described: dict[str, str]) -> Iterator[tarfile.TarFile]:
    """A layer's tar, read as a stream, whatever it is compressed with."""
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
    if stream is None:
        raise EnvironmentFault(f"{archive.name!s} is not an OCI archive: {name} is not a file")
    return stream
