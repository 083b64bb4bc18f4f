"""Downloads files with a known sha256. Downloads are resumed and retried, and a file with another digest is never used.

No answer is trusted: every one has a limit of its size and of its duration, and a redirect cannot leave https.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from bundle.verify import sha256_of
from cluster.vocabulary.errors import EnvironmentFault

# seconds before each retry of a temporary failure, such as a lost connection or an overloaded server
PAUSES = (1.0, 3.0, 8.0)
_TEMPORARY_STATUS = {408, 425, 429, 500, 502, 503, 504}
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
# https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests: registries accept manifests of 4 MiB
DOCUMENT_LIMIT = 4 << 20
# the largest published program, kubelet, has less than 100 MB
PROGRAM_LIMIT = 256 << 20
_GRACE = 60.0  # seconds for any answer; afterwards it must have come with this rate
_SLOWEST = 10_000  # bytes a second
Authorize = Callable[[httpx.Response], Mapping[str, str]]


class TemporaryFailure(Exception):
    """A failure that a retry may solve."""


class ServerUnreachable(EnvironmentFault):
    """A server of the sources does not answer."""


class _TooLarge(EnvironmentFault):
    """An answer has more bytes than its limit."""


@dataclass(frozen=True, slots=True)
class Document:
    """A small answer."""

    content: bytes
    headers: httpx.Headers


def http_client() -> httpx.Client:
    """A client that follows redirects, except from https to another protocol."""
    return httpx.Client(
        follow_redirects=True,
        max_redirects=5,
        timeout=_TIMEOUT,
        # compressed answers have no size that is known before they are decoded
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [_check_redirect]},
    )


def _check_redirect(response: httpx.Response) -> None:
    if response.has_redirect_location:
        try:
            target = response.url.join(response.headers["Location"])
        except httpx.InvalidURL as error:
            raise EnvironmentFault(f"{response.url}: the server redirects to an invalid address: {error}") from error
        refuse_downgrade(response.url, target)


def refuse_downgrade(source: httpx.URL, target: httpx.URL) -> None:
    """EnvironmentFault when a server that was reached by https names an address with another protocol."""
    allowed = ("https",) if source.scheme == "https" else ("http", "https")
    if target.scheme not in allowed:
        raise EnvironmentFault(f"{source}: the server refers to {target}; only {' and '.join(allowed)} can be used after {source.scheme}")


class Downloader:
    """Downloads into one folder. The digest is the name of a file; an incomplete file has the suffix .partial."""

    def __init__(self, folder: Path, client: httpx.Client, pauses: tuple[float, ...] = PAUSES) -> None:
        self.folder, self.client, self.pauses = folder, client, pauses
        self._locks_lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def file(self, url: str, sha256: str, limit: int, authorize: Authorize | None = None) -> Path:
        """Download the file at `url` and verify its `sha256` (hex) while it arrives.

        EnvironmentFault with the URL when it is unavailable, has another digest, or has more than `limit` bytes.
        `authorize` returns the headers for a second request after an answer of 401.
        """
        with self._locks_lock:  # images share layers, programs share a tar file
            lock = self._locks.setdefault(sha256, threading.Lock())
        with lock:
            return self._file(url, sha256, limit, authorize)

    def _file(self, url: str, sha256: str, limit: int, authorize: Authorize | None) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / sha256
        if path.is_file() and sha256_of(path) == sha256:
            return path
        partial = path.with_name(f"{sha256}.partial")
        different: list[str] = []

        def attempt() -> None:
            try:
                found = self._stream(url, partial, limit, authorize)
            except _TooLarge:
                partial.unlink(missing_ok=True)
                raise
            if found != sha256:
                # the resumed part may be from another file: the next attempt starts from the beginning
                partial.unlink()
                different.append(found)
                message = f"sha256 is {found}, expected {sha256}"
                if len(different) > 1:
                    raise EnvironmentFault(f"{url}: {message} (downloaded {len(different)} times)")
                raise TemporaryFailure(message)

        self._retry(url, attempt)
        partial.replace(path)
        return path

    def text(self, url: str) -> str:
        """Download a small text, such as a checksum file."""
        return self.document(url).content.decode(errors="replace")

    def document(self, url: str, headers: Mapping[str, str] | None = None, authorize: Authorize | None = None) -> Document:
        """Download a document of at most 4 MiB."""
        documents: list[Document] = []
        self._retry(url, lambda: documents.append(self._document(url, headers or {}, authorize)))
        return documents[-1]

    def _document(self, url: str, headers: Mapping[str, str], authorize: Authorize | None) -> Document:
        with self.client.stream("GET", url, headers=headers) as response:
            if not (response.status_code == 401 and authorize is not None):
                _raise_for_status(url, response)
                encoding = response.headers.get("Content-Encoding", "identity")
                if encoding.lower() != "identity":
                    raise EnvironmentFault(f"{url}: the answer has the encoding {encoding}, which was not requested")
                return Document(b"".join(_pieces(url, response, DOCUMENT_LIMIT)), response.headers)
        return self._document(url, {**headers, **authorize(response)}, None)

    def _stream(
        self, url: str, partial: Path, limit: int, authorize: Authorize | None, extra_headers: Mapping[str, str] | None = None
    ) -> str:
        """Append to the partial file, or start again when the server sends the whole file. Returns the digest of the file."""
        offset = partial.stat().st_size if partial.exists() else 0
        if offset > limit:  # of an earlier fetch with other limits
            partial.unlink()
            offset = 0
        headers = {**(extra_headers or {}), **({"Range": f"bytes={offset}-"} if offset else {})}
        with self.client.stream("GET", url, headers=headers) as response:
            if response.status_code == 416 and offset:  # the partial file has no missing part: the digest decides whether it is correct
                return sha256_of(partial)
            if not (response.status_code == 401 and authorize is not None and extra_headers is None):
                _raise_for_status(url, response)
                resumed = response.status_code == 206 and offset > 0
                return _write(partial, _pieces(url, response, limit - offset if resumed else limit), resumed=resumed)
        assert authorize is not None
        return self._stream(url, partial, limit, authorize, authorize(response))

    def _retry(self, url: str, attempt: Callable[[], None]) -> None:
        for pause in (*self.pauses, None):
            try:
                return attempt()
            except (httpx.TransportError, TemporaryFailure) as error:
                if pause is None:
                    fault = ServerUnreachable if isinstance(error, httpx.TransportError) else EnvironmentFault
                    raise fault(f"{url}: {error or type(error).__name__} ({len(self.pauses) + 1} attempts)") from error
                time.sleep(pause)
            except (httpx.RequestError, httpx.InvalidURL) as error:  # too many redirects, an address that is none
                raise EnvironmentFault(f"{url}: {error or type(error).__name__}") from error
        return None


def _write(partial: Path, pieces: Iterator[bytes], *, resumed: bool) -> str:
    """Write the pieces into the file, after its content if it is resumed; returns the digest of the whole file."""
    digest = hashlib.sha256()
    try:
        if resumed:
            with partial.open("rb") as stream:
                while piece := stream.read(1 << 20):
                    digest.update(piece)
        with partial.open("ab" if resumed else "wb") as out:
            for piece in pieces:
                out.write(piece)
                digest.update(piece)
    except OSError as error:
        raise EnvironmentFault(f"{partial} cannot be written: {error.strerror or error}") from error
    return digest.hexdigest()


def _pieces(url: str, response: httpx.Response, limit: int) -> Iterator[bytes]:
    """The body as it arrives, without decoding. EnvironmentFault when it has more than `limit` bytes, whatever size the server announced."""
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
        raise _TooLarge(f"{url}: the server announces {announced} bytes, at most {limit} are expected")
    received, started = 0, time.monotonic()
    # no chunk size: a buffered chunk would be lost when the connection breaks
    for piece in response.iter_raw():
        received += len(piece)
        if received > limit:
            raise _TooLarge(f"{url}: the server sent more than the {limit} bytes that are expected")
        if time.monotonic() - started > _GRACE + received / _SLOWEST:
            raise TemporaryFailure(f"the server sent only {received} bytes in {time.monotonic() - started:.0f} s")
        yield piece


def _raise_for_status(url: str, response: httpx.Response) -> None:
    if response.status_code in _TEMPORARY_STATUS:
        raise TemporaryFailure(f"the server answered {response.status_code}")
    if response.is_error:
        raise EnvironmentFault(f"{url}: the server answered {response.status_code} {response.reason_phrase}")


def checksum_in(text: str, name: str, url: str) -> str:
    """The sha256 of the file `name` in a checksum file, which has either one digest or lines of `DIGEST  NAME`."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    for words in lines:
        listed = words[-1].removeprefix("*").rpartition("/")[2] if len(words) > 1 else name
        if listed == name and len(words[0]) == 64 and not words[0].strip("0123456789abcdef"):
            return words[0]
    raise EnvironmentFault(f"{url} has no sha256 of {name}")
