"""Writes OCI image archives for `ctr image import`. The same images give the same bytes.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
IMAGE_INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"


@dataclass(frozen=True, slots=True)
class Blob:
    """One content-addressed piece of an image."""

    media_type: str
    digest: str  # sha256:HEX
    size: int
    source: Path | bytes

    @classmethod
    def of_json(cls, media_type: str, document: Any) -> Blob:
        """A JSON document of the image, in a canonical form."""
        return cls.of_bytes(media_type, json.dumps(document, sort_keys=True, separators=(",", ":")).encode())

    @classmethod
    def of_bytes(cls, media_type: str, content: bytes) -> Blob:
        """A small blob in memory."""
        return cls(media_type, f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), content)

    @property
    def descriptor(self) -> dict[str, Any]:
        """The descriptor with which other documents refer to the blob."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class ArchivedImage:
    """One image of one platform: its manifest, configuration and layers."""

    reference: str
    manifest: Blob
    blobs: tuple[Blob, ...]


def write_archive(target: Path, images: Sequence[ArchivedImage]) -> None:
    """Write an uncompressed tar in OCI image layout; containerd names the images by an annotation of the index."""
    index = {
        "schemaVersion": 2,
        "mediaType": IMAGE_INDEX,
        "manifests": [
            {
                **image.manifest.descriptor,
                "annotations": {
                    "io.containerd.image.name": image.reference,
                    "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
                },
            }
            for image in images
        ],
    }
    blobs = {blob.digest: blob for image in images for blob in (image.manifest, *image.blobs)}
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        # the index first, so that a reader of the stream knows the content
        _add(tar, "index.json", json.dumps(index, sort_keys=True, separators=(",", ":")).encode())
        for digest, blob in sorted(blobs.items(), key=lambda item: (item[1].size, item[0])):
            _add(tar, f"blobs/sha256/{digest.removeprefix('sha256:')}", blob.source)


def _add(tar: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    """Add one file without the times and owners of this machine."""
    member = tarfile.TarInfo(name)
    member.mode = 0o644
    if isinstance(source, bytes):
        member.size = len(source)
        tar.addfile(member, io.BytesIO(source))
        return
    member.size = source.stat().st_size
    with source.open("rb") as stream:
        tar.addfile(member, stream)
