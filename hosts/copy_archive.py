"""What templates/host/save-copy.sh.j2 prints, as a compressed tar file with a manifest, and back. Both are streams: neither is on a disk here."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import zstandard

from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.copies import CopySource, EtcdCopy
from cluster.vocabulary.errors import StepFailed

SNAPSHOT = "etcd-snapshot.db"
MANIFEST = "manifest.json"
CLUSTER_FILE = "cluster.json"

_LONGEST_LINE = 10_000  # a path has 4096 bytes at most
_LONGEST_VALUE = 200
_PIECE = 1 << 18
_BLOCK = 512
_DIGEST = hashlib.sha256().digest_size
_LEVEL = 3


class Stream(Protocol):
    """hosts.output_stream.OutputStream, or the bytes of a test."""

    def piece(self, size: int) -> bytes:
        """Between one and `size` bytes."""

    def line(self, most: int) -> str:
        """The next line without its end."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file that follows in the stream."""

    name: str
    size: int


class HostCopy:
    """The answer of one host, up to its first file so far. StepFailed for anything but the answer of the script."""

    def __init__(self, host: str, stream: Stream) -> None:
        self._host, self._stream = host, stream
        self._names: set[str] = set()
        self.kubernetes_version = self._value("kubernetes")
        kind, _, self.etcd_reason = self._value("etcd").partition(" ")
        if kind not in set(EtcdCopy):
            raise self._malformed()
        self.etcd = EtcdCopy(kind)
        snapshot = re.fullmatch(r"(\S*) ?(\d{0,18})", self._value("snapshot"))
        if snapshot is None:
            raise self._malformed()
        self.etcd_version, self.revision = snapshot[1], int(snapshot[2]) if snapshot[2] else None
        self._next = self._header()

    @property
    def empty(self) -> bool:
        """The host has nothing to save."""
        return self._next is None

    def archive(self, source: CopySource, at_end: Callable[[], None], cluster_file: bytes) -> Iterator[bytes]:
        """The compressed tar file in pieces, with the cluster file as JSON.

        `at_end` runs after the host's last byte and before the archive's: it raises if the script failed.
        """
        compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
        for piece in self._tar(source, at_end, cluster_file):
            if packed := compressor.compress(piece):
                yield packed
        yield compressor.flush()

    def _tar(self, source: CopySource, at_end: Callable[[], None], cluster_file: bytes) -> Iterator[bytes]:
        files: dict[str, dict[str, Any]] = {}
        while (file := self._next) is not None:
            yield _member(source, file)
            sha256 = hashlib.sha256()
            content = self._checked_snapshot(file) if file.name == SNAPSHOT else self._content(file)
            for piece in content:
                sha256.update(piece)
                yield piece
            yield _padding(file.size)
            files[file.name] = {"size": file.size, "sha256": sha256.hexdigest()}
            self._next = self._header()
        at_end()
        yield _member(source, _File(CLUSTER_FILE, len(cluster_file)))
        yield cluster_file + _padding(len(cluster_file))
        files[CLUSTER_FILE] = {"size": len(cluster_file), "sha256": hashlib.sha256(cluster_file).hexdigest()}
        manifest = json.dumps({**source.model_dump(mode="json"), "files": files}, indent=1, ensure_ascii=True).encode()
        yield _member(source, _File(MANIFEST, len(manifest)))
        yield manifest + _padding(len(manifest))
        yield bytes(2 * _BLOCK)

    def _value(self, word: str) -> str:
        """The text after a word in the next line."""
        found, _, text = self._stream.line(_LONGEST_LINE).partition(" ")
        if found != word:
            raise self._malformed()
        return printable(text.strip())[:_LONGEST_VALUE]

    def _header(self) -> _File | None:
        """The next file; None at the end."""
        found = re.fullmatch(r"file (\d{1,15}) ([^\x00-\x1f]+)|end (\d{1,9})", self._stream.line(_LONGEST_LINE))
        if found is None:
            raise self._malformed()
        if found[3] is not None:
            if int(found[3]) != len(self._names):
                raise self._malformed()
            return None
        name = found[2]
        if name in {*self._names, MANIFEST, CLUSTER_FILE} or not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise self._malformed()
        self._names.add(name)
        return _File(name, int(found[1]))

    def _content(self, file: _File) -> Iterator[bytes]:
        left = file.size
        while left:
            piece = self._stream.piece(min(left, _PIECE))
            left -= len(piece)
            yield piece

    def _checked_snapshot(self, file: _File) -> Iterator[bytes]:
        """The content, whose last bytes are the sha256 of the others: etcd adds it (https://etcd.io/docs/v3.6/op-guide/recovery/)."""
        sha256, last = hashlib.sha256(), b""
        for piece in self._content(file):
            yield piece
            last += piece
            sha256.update(last[:-_DIGEST])
            last = last[-_DIGEST:]
        if sha256.digest() != last:
            raise StepFailed(self._host, "the snapshot of etcd is damaged: its content does not have the digest at its end", "Run again.")

    def _malformed(self) -> StepFailed:
        return StepFailed(self._host, "the answer with the files to save is malformed", "If a file changed while it was read, run again.")


def _member(source: CopySource, file: _File) -> bytes:
    """The header of a member. Only root of the host could read most of these files, so only their owner can after unpacking."""
    member = tarfile.TarInfo(file.name)
    member.size, member.mode, member.mtime = file.size, 0o600, int(source.created.timestamp())
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
