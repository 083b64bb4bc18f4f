"""A real socket, which TLS needs, for a dialled channel such as an SSH channel.

A socket pair replaces the connection: the HTTP client has one end, and two threads copy bytes between the other end and the channel.
No port is opened, not even on loopback, and a failed dial raises in the caller of the request.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

CHUNK = 1 << 16


class Channel(Protocol):
    """The type that `dial` returns: the part of a socket that paramiko's channels have too."""

    def recv(self, size: int, /) -> bytes:
        """Up to `size` bytes; b"" at the end."""

    def sendall(self, data: bytes, /) -> object:
        """All of `data`, or an error."""

    def shutdown(self, how: int, /) -> object:
        """End a waiting `recv`."""

    def close(self) -> object:
        """End the connection."""


Dial = Callable[[str, int], Channel]  # (host, port); host is an address without brackets or a name that the far end resolves


class Bridge:
    """Copies bytes between a channel and `self.socket` until either side ends."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.socket, self._inner = socket.socketpair()
        self._guard = threading.Lock()
        self._carrying = 2
        self._threads = [
            threading.Thread(target=self._carry, args=(self._inner, channel), name="kube-bridge-out", daemon=True),
            threading.Thread(target=self._carry, args=(channel, self._inner), name="kube-bridge-in", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        """Whether a thread still copies."""
        return self._carrying > 0

    def close(self) -> None:
        """End both sides and wait for the threads."""
        self._end()
        self.socket.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _carry(self, source: Channel, target: Channel) -> None:
        # any end of a side (EOF, reset, a lost SSH transport, closing) ends the connection; the HTTP client reports the EOF
        with suppress(Exception):
            while data := source.recv(CHUNK):
                target.sendall(data)
        self._end()
        with self._guard:
            self._carrying -= 1
            if not self._carrying:
                self._inner.close()

    def _end(self) -> None:
        with suppress(Exception):
            self._inner.shutdown(socket.SHUT_RDWR)
        # Only the reading half: closing sends EOF itself. paramiko sends its own EOF outside its lock, so the close of another thread
        # could overtake it, and sshd ends the whole connection after an EOF for a channel that no longer exists.
        with suppress(Exception):
            self._channel.shutdown(socket.SHUT_RD)
        with suppress(Exception):
            self._channel.close()
