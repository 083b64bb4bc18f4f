"""From a dialled channel (an SSH channel, say) to the real socket that TLS needs.

A socket pair stands where a connection would: one end is given to the HTTP client, two threads carry bytes between the other end and
the channel. No port is opened, not even on loopback, and a dial that fails raises where the request was made.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

CHUNK = 1 << 16


class Channel(Protocol):
    """What `dial` returns: the part of a socket that paramiko's channels have too."""

    def recv(self, size: int, /) -> bytes:
        """Up to `size` bytes; b"" at the end."""

    def sendall(self, data: bytes, /) -> object:
        """All of `data`, or an error."""

    def shutdown(self, how: int, /) -> object:
        """Wakes whoever waits in `recv`."""

    def close(self) -> object:
        """Ends the connection."""


Dial = Callable[[str, int], Channel]  # (host, port); host is an address without brackets or a name that the far end resolves


class Bridge:
    """Carries bytes between a channel and `self.socket` until either side ends."""

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
        """Some thread still carries."""
        return self._carrying > 0

    def close(self) -> None:
        """Ends both sides and waits for the threads."""
        self._end()
        self.socket.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _carry(self, source: Channel, target: Channel) -> None:
        # whatever ends a side (EOF, reset, a lost SSH transport, closing) ends the connection; the HTTP client sees EOF and says so
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
        # Only the reading half: closing says EOF itself. paramiko sends an EOF of its own outside of its lock, so another thread's close
        # could overtake it, and sshd ends the whole connection over an EOF for a channel that is gone.
        with suppress(Exception):
            self._channel.shutdown(socket.SHUT_RD)
        with suppress(Exception):
            self._channel.close()
