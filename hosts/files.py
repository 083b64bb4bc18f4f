"""One file onto a host: checked there, and in its place whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cluster.vocabulary.errors import EnvironmentFault, StepFailed
from templates import render

if TYPE_CHECKING:
    from hosts.session import Session

# what fits into one SSH packet of OpenSSH's 32 KiB beside paramiko's allowance for its head: a piece is then never copied
PIECE = 32768 - 64
_SLOWEST = 200_000  # bytes a second: a link slower than this is taken for a broken one
NO_SPACE = 28  # exit code of our scripts when a file system is too full


def limit_for(size: int) -> timedelta:
    """How long an upload of so many bytes may take."""
    return timedelta(seconds=60 + size / _SLOWEST)


def pieces(source: Path | bytes) -> Iterator[bytes]:
    """The file in packets; EnvironmentFault when it cannot be read."""
    if isinstance(source, bytes):
        yield from (source[start : start + PIECE] for start in range(0, len(source), PIECE))
        return
    try:
        with source.open("rb", buffering=PIECE * 32) as stream:
            while piece := stream.read(PIECE):
                yield piece
    except OSError as error:
        raise EnvironmentFault(f"{source} cannot be read: {error.strerror}") from None


def put(
    session: Session,
    source: Path | bytes,
    target: PurePosixPath,
    *,
    mode: int,
    sha256: str | None,
    decode: bool,
    content_sha256: str | None,
) -> None:
    """Write `source` to `target`; with `decode` it is gunzipped on the host.

    What lies there in the end is checked on the host: `content_sha256`, or `sha256` of a file that is not decoded, or the digest of what is
    read here. StepFailed says what was wrong; the old file, if any, is then untouched.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    expected = content_sha256 or (None if decode else sha256)
    if expected is None:
        expected = _content_digest(source, decode)
    script = render("step/put.sh.j2", target=str(target), mode=f"{mode:04o}", size=size, decode=decode, sha256=expected)
    output = session.feed(script, pieces(source), limit=limit_for(size))
    if not output.ok:
        raise StepFailed(
            session.host,
            f"{target} could not be written: {output.stderr.strip()[-300:] or f'exit code {output.exit_code}'}",
            "Make room on the host." if output.exit_code == NO_SPACE else "",
            exit_code=output.exit_code,
            output=output.stderr,
        )


def _content_digest(source: Path | bytes, decode: bool) -> str:
    data = source if isinstance(source, bytes) else source.read_bytes()
    return hashlib.sha256(gzip.decompress(data) if decode else data).hexdigest()
