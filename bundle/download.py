"""Downloads files with a known sha256. Downloads are resumed and retried, and a file with another digest is never used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from bundle.verify import sha256_of
from cluster.vocabulary.errors import EnvironmentFault

# seconds before each retry of a temporary failure, such as a lost connection or an overloaded server
PAUSES = (1.0, 3.0, 8.0)
_TEMPORARY_STATUS = {408, 425, 429, 500, 502, 503, 504}
Authorize = Callable[[httpx.Response], Mapping[str, str]]


class TemporaryFailure(Exception):
    """A failure that a retry may solve."""


class Downloader:
    """Downloads into one folder. The digest is the name of a file; an incomplete file has the suffix .partial."""

    def __init__(self, folder: Path, client: httpx.Client, pauses: tuple[float, ...] = PAUSES) -> None:
        self.folder, self.client, self.pauses = folder, client, pauses
        self._locks_lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def file(self, url: str, sha256: str, authorize: Authorize | None = None) -> Path:
        """Download the file at `url` and verify its `sha256` (hex). EnvironmentFault with the URL when it is unavailable or has another digest.

        `authorize` returns the headers for a second request after an answer of 401.
        """
        with self._locks_lock:  # images share layers, programs share a tar file
            lock = self._locks.setdefault(sha256, threading.Lock())
        with lock:
            return self._file(url, sha256, authorize)

    def _file(self, url: str, sha256: str, authorize: Authorize | None) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / sha256
        if path.is_file() and sha256_of(path) == sha256:
            return path
        partial = path.with_name(f"{sha256}.partial")

        def attempt() -> None:
            self._stream(url, partial, authorize)
            found = sha256_of(partial)
            if found != sha256:
                # the resumed part may be from another file: the next attempt starts from the beginning
                partial.unlink()
                raise TemporaryFailure(f"sha256 is {found}, expected {sha256}")

        self._retry(url, attempt)
        partial.replace(path)
        return path

    def text(self, url: str) -> str:
        """Download a small text, such as a checksum file."""
        return self.get(url).text

    def get(self, url: str, headers: Mapping[str, str] | None = None, authorize: Authorize | None = None) -> httpx.Response:
        """Download a small document."""
        responses: list[httpx.Response] = []

        def attempt() -> None:
            response = self.client.get(url, headers=headers)
            if response.status_code == 401 and authorize is not None:
                response = self.client.get(url, headers={**(headers or {}), **authorize(response)})
            _raise_for_status(url, response)
            responses.append(response)

        self._retry(url, attempt)
        return responses[-1]

    def _stream(self, url: str, partial: Path, authorize: Authorize | None, extra_headers: Mapping[str, str] | None = None) -> None:
        """Append to the partial file, or start again when the server sends the whole file."""
        offset = partial.stat().st_size if partial.exists() else 0
        headers = {"Accept-Encoding": "identity", **(extra_headers or {}), **({"Range": f"bytes={offset}-"} if offset else {})}
        with self.client.stream("GET", url, headers=headers) as response:
            if response.status_code == 416:  # the partial file has no missing part: the digest decides whether it is correct
                return
            if not (response.status_code == 401 and authorize is not None and extra_headers is None):
                _raise_for_status(url, response)
                with partial.open("ab" if response.status_code == 206 else "wb") as out:
                    # no chunk size: a buffered chunk would be lost when the connection breaks
                    for chunk in response.iter_raw():
                        out.write(chunk)
                return
        self._stream(url, partial, authorize, authorize(response))

    def _retry(self, url: str, attempt: Callable[[], None]) -> None:
        for pause in (*self.pauses, None):
            try:
                return attempt()
            except (httpx.TransportError, TemporaryFailure) as error:
                if pause is None:
                    raise EnvironmentFault(f"{url}: {error or type(error).__name__} ({len(self.pauses) + 1} attempts)") from error
                time.sleep(pause)
        return None


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
