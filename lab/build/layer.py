"""Image layers: reproducible tar files, compressed with zstd."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import zstandard

from bundle.archive import ZSTD_LAYER, Blob

# level 9 compresses these binaries at about 60 MB/s on one core; decompression costs the same for all levels
ZSTD_LEVEL = 9


class Content(Protocol):
    """A source of members of a layer."""

    def members(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """The members with their content; names are relative."""


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A file of this machine in the layer."""

    path: str
    source: Path
    mode: int = 0o755

    def members(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """The file, after its parent folders."""
        yield from _folders_above(self.path)
        member = tarfile.TarInfo(self.path)
        member.mode, member.size = self.mode, self.source.stat().st_size
        with self.source.open("rb") as stream:
            yield member, stream


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    path: str
    target: str

    def members(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """The link, after its parent folders."""
        yield from _folders_above(self.path)
        member = tarfile.TarInfo(self.path)
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, self.target, 0o777
        yield member, None


@dataclass(frozen=True, slots=True)
class Folder:
    """An empty folder."""

    path: str
    mode: int = 0o755

    def members(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """The folder, after its parent folders."""
        yield from _folders_above(self.path)
        yield _folder(self.path, self.mode), None


# not used at run time; these are a third of the packages' content
_NOT_NEEDED = (
    "usr/share/doc/",
    "usr/share/man/",
    "usr/share/locale/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/bash-completion/",
    "usr/share/bug/",
    "var/cache/",
    "var/lib/apt/",
    "var/log/",
    "dev/",
    # these belong to the building machine
    "etc/hostname/",
    "etc/resolv.conf/",
    "etc/apt/",
)


@dataclass(frozen=True, slots=True)
class DebianTree:
    """The tar file of unpacked Debian packages, without documentation and caches."""

    tar: Path

    def members(self) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
        """Every needed member, without times and names of owners."""
        with tarfile.open(self.tar, "r:") as tar:
            for found in sorted(tar.getmembers(), key=lambda member: (member.islnk(), member.name)):
                name = found.name.removeprefix("./").rstrip("/")
                if name in {"", "."} or found.isdev() or f"{name}/".startswith(_NOT_NEEDED) or "/gconv/" in name:
                    continue
                member = tarfile.TarInfo(name)
                member.type, member.mode, member.uid, member.gid = found.type, found.mode, found.uid, found.gid
                member.linkname = found.linkname.removeprefix("./") if found.islnk() else found.linkname
                if found.isreg():
                    member.size = found.size
                yield member, tar.extractfile(found) if found.isreg() else None


@dataclass(frozen=True, slots=True)
class Layer:
    """A finished layer: its blob, and the digest of the uncompressed tar file."""

    blob: Blob
    diff_id: str


def write_layer(target: Path, contents: Iterable[Content]) -> str:
    """Write the layer's compressed tar and return its diff id (sha256:HEX of the tar itself)."""
    with target.open("wb") as out, zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_content_size=False).stream_writer(out) as packed:
        digesting = _Digesting(packed)
        # GNU format without PAX headers, which would contain times and names of this machine
        with tarfile.open(fileobj=digesting, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            there: set[str] = set()
            for content in contents:
                for member, stream in content.members():
                    if not (member.isdir() and member.name in there):
                        tar.addfile(member, stream)
                    there.add(member.name)
        return f"sha256:{digesting.sha256.hexdigest()}"


def layer_of(path: Path, diff_id: str) -> Layer:
    """The layer in an existing file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Layer(Blob(ZSTD_LAYER, f"sha256:{digest}", path.stat().st_size, path), diff_id)


def diff_id_of(path: Path) -> str:
    """The diff id of a compressed layer, computed from its file."""
    sha256 = hashlib.sha256()
    with path.open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as tar:
        while chunk := tar.read(1 << 20):
            sha256.update(chunk)
    return f"sha256:{sha256.hexdigest()}"


class _Digesting(io.RawIOBase):
    """Forwards written data, and computes its digest."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out, self.sha256 = out, hashlib.sha256()

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.sha256.update(data)
        self.out.write(data)
        return len(data)


def _folder(path: str, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode = tarfile.DIRTYPE, mode
    return member


def _folders_above(path: str) -> Iterator[tuple[tarfile.TarInfo, None]]:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        yield _folder("/".join(parts[:depth]), 0o755), None
