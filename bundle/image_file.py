"""One file of an image of the bundle, for use outside of a container."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import zstandard

from bundle.manifest import FileKind, read_manifest
from bundle.verify import sha256_of, stored_path
from cluster.vocabulary.errors import EnvironmentFault


def read_from_image(folder: Path, name: str, path: str) -> bytes:
    """The content of a file of an image, by the image's name in the manifest, such as kube-apiserver; `path` is relative to the image's root.

    EnvironmentFault when there is no such image or file, or when the archive does not match the manifest.
    """
    stored = next((file for file in read_manifest(folder).files if file.name == name and file.kind is FileKind.IMAGE), None)
    if stored is None:
        raise EnvironmentFault(f"the bundle at {folder} has no image {name}")
    archive_path = stored_path(folder, stored)
    if sha256_of(archive_path) != stored.sha256:
        raise EnvironmentFault(f"image {name} of the bundle at {folder} is damaged: run `sixstack bundle verify` to list the damaged files")
    with tarfile.open(archive_path) as archive:
        index = json.load(_member(archive, "index.json"))
        manifest = json.load(_blob(archive, index["manifests"][0]["digest"]))
        # a later layer covers an earlier one
        for described in reversed(manifest["layers"]):
            with _layer(archive, described) as layer:
                for found in layer:
                    content = layer.extractfile(found) if found.isreg() and found.name.removeprefix("./") == path else None
                    if content is not None:
                        return content.read()
    raise EnvironmentFault(f"image {name} of the bundle at {folder} has no file {path}")


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
    found = archive.extractfile(name)
    assert found is not None  # a file of this name, in an archive whose digest is right
    return found
