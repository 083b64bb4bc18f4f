"""The files of a copy, from its decrypted archive as a stream: hosts/copy_archive.py wrote it."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import zstandard

from cluster.vocabulary.errors import EnvironmentFault
from hosts.copy_archive import MANIFEST

_PIECE = 32768 - 64  # fits into one SSH packet: hosts/upload.py
_LARGEST_MANIFEST = 64 * 2**20
_LARGEST_FILE = 64 * 2**20  # of a file that is read as a whole: keys of etcd, certificates


class CopyDamaged(EnvironmentFault):
    """The archive of a copy is not one, or differs from its manifest."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; b"" at the end."""


@dataclass(frozen=True, slots=True)
class CopiedFile:
    """A file of the archive, while it is read."""

    name: str
    size: int
    pieces: Iterator[bytes]

    def content(self) -> bytes:
        """All of it; CopyDamaged when it is larger than any such file."""
        if self.size > _LARGEST_FILE:
            raise CopyDamaged(f"{self.name} has {self.size:,} bytes")
        return b"".join(self.pieces)


class CopyContents:
    """Reads an archive once, from its begin to its end."""

    def __init__(self, compressed: Readable) -> None:
        self._stream = zstandard.ZstdDecompressor().stream_reader(cast("Any", compressed), read_across_frames=True)
        self._found: dict[str, dict[str, Any]] = {}
        self.manifest: dict[str, Any] = {}

    def files(self) -> Iterator[CopiedFile]:
        """Each file but the manifest; what is not read of one is read past. CopyDamaged at the end unless all files agree with the manifest."""
        try:
            with tarfile.open(fileobj=self._stream, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member)
                    if content is None:
                        raise CopyDamaged(f"{member.name} is not a file")
                    if member.name == MANIFEST:
                        if member.size > _LARGEST_MANIFEST:
                            raise CopyDamaged("the manifest is too large")
                        self.manifest = json.loads(content.read())
                        continue
                    pieces = self._pieces(member, content)
                    yield CopiedFile(member.name, member.size, pieces)
                    for _ in pieces:
                        pass
        except _ERRORS as error:
            raise _damaged(error) from None
        if not self._found or self.manifest.get("files") != self._found:
            raise CopyDamaged("the files of the archive differ from its manifest")

    def _pieces(self, member: tarfile.TarInfo, content: Any) -> Iterator[bytes]:
        sha256 = hashlib.sha256()
        while piece := self._read(content):
            sha256.update(piece)
            yield piece
        self._found[member.name] = {"size": member.size, "sha256": sha256.hexdigest()}

    def _read(self, content: Any) -> bytes:
        try:
            return bytes(content.read(_PIECE))
        except _ERRORS as error:
            raise _damaged(error) from None


_ERRORS = (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError)


def _damaged(error: Exception) -> CopyDamaged:
    return CopyDamaged(f"the archive cannot be read: {error}")
