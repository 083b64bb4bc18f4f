"""Reads gzip files without trusting their size: 1.7 MB can decode to 1.7 GB."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

PIECE = 1 << 20


class DamagedContent(Exception):
    """A gzip file cannot be decoded, or decodes to more than its limit."""


class TooMuchContent(OSError):
    """A gzip file decodes to more than its limit. An OSError as the other errors of a gzip file."""


class BoundedGzip(gzip.GzipFile):
    """A gzip file that is open for reading and raises TooMuchContent instead of decoding more than `limit` bytes."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(path, "rb")
        self._limit = limit

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes. A read of everything, or of much at once, is a header of a tar file that gives a wrong size."""
        if size is None or size < 0 or size > 16 * PIECE:
            raise TooMuchContent(f"a part of it has {size} bytes")
        content = super().read(size)
        self._check(self.tell())
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another byte, which decodes everything before it."""
        if whence == io.SEEK_SET:
            self._check(offset)
        return super().seek(offset, whence)

    def _check(self, position: int) -> None:
        if position > self._limit:
            raise TooMuchContent(f"it decodes to more than {self._limit} bytes")


# of a damaged file, or one that is not gzip
GZIP_ERRORS = (OSError, EOFError, zlib.error)


def pieces(path: Path, limit: int) -> Iterator[bytes]:
    """The decoded content, at most `limit` bytes. DamagedContent when there is more, or the file cannot be decoded."""
    try:
        with BoundedGzip(path, limit) as stream:
            while piece := stream.read(PIECE):
                yield piece
    except GZIP_ERRORS as error:
        raise DamagedContent(str(error) or type(error).__name__) from error
