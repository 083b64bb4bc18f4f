"""The standard output of a script as bytes that are read as they arrive, for output that does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from cluster.vocabulary.errors import HostError
from hosts.exchange import Exchange


class OutputEnded(Exception):
    """The script ended before the bytes that were expected. Its exit code has the reason."""


class OutputStream:
    """Bytes from a script. While nobody reads, the host waits as soon as the channel's window is full.

    `errors`: replaces errors of the channel by errors of a session.
    """

    def __init__(self, host: str, exchange: Exchange, most: int, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._host, self._exchange, self._most, self._errors = host, exchange, most, errors
        self._taken = 0

    def piece(self, size: int) -> bytes:
        """Between one and `size` bytes; OutputEnded at the end, HostError after more than the limit in all."""
        self._await(0)
        return self._take(size)

    def line(self, most: int) -> str:
        """The next line without its end; OutputEnded without one, HostError when it is longer than `most` bytes."""
        waiting = self._exchange.stdout
        while (end := waiting.find(b"\n", 0, most + 1)) < 0:
            if len(waiting) > most:
                raise HostError(self._host, f"a script printed a line of more than {most} bytes", "")
            self._await(len(waiting))
        return self._take(end + 1)[:-1].decode(errors="surrogateescape")

    def _await(self, size: int) -> None:
        """Wait until more than `size` bytes are there."""
        waiting = self._exchange.stdout
        with self._errors():
            self._exchange.check_deadline()  # wait() checks it only while nothing arrives
            if len(waiting) > size or self._exchange.wait(lambda: len(waiting) > size):
                return
        raise OutputEnded

    def _take(self, size: int) -> bytes:
        waiting = self._exchange.stdout
        piece = bytes(waiting[:size])
        del waiting[:size]
        self._taken += len(piece)
        if self._taken > self._most:
            hint = "Look for a program on the host that prints without end."
            raise HostError(self._host, f"a script printed more than {self._most:,} bytes, and sixstack reads no more", hint)
        return piece
