"""A TCP connection to sshd without Nagle delays, which detects a dead host."""

from __future__ import annotations

import errno
import os
import socket
import time

from cluster.vocabulary.errors import HostUnreachable
from cluster.vocabulary.hostport import join_host_port

CONNECT_SECONDS = 10.0
# measured: with these settings a power failure of the host is detected after 11 to 13 s; SSH keepalives alone hang for more than 40 s (paramiko#2463)
_KEEPALIVE_IDLE, _KEEPALIVE_INTERVAL, _KEEPALIVE_COUNT = 5, 2, 3
_USER_TIMEOUT_MS = 10_000


class QuickSocket:
    """A socket for paramiko that acknowledges at once.

    paramiko sends a request and waits for its answer; with Nagle's algorithm and delayed acknowledgements on both ends each of these
    costs 40 ms. Linux resets TCP_QUICKACK by itself, so it is set again before each read.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_INTERVAL)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _KEEPALIVE_COUNT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT_MS)
        self.send = connection.send
        self.settimeout = connection.settimeout
        self.close = connection.close
        self.getpeername = connection.getpeername

    @property
    def _closed(self) -> bool:
        # paramiko reads this attribute when it stops
        return self._socket.fileno() == -1

    def recv(self, size: int) -> bytes:
        """Receive at most `size` bytes; empty when the other end has closed."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._socket.recv(size)


class WatchedChannel:
    """A channel of a jump host as a socket that detects a silent host.

    The kernel watches the connection to the jump host only; answers are the only sign of the machine behind it. paramiko reads with a
    timeout of a tenth of a second, and each timeout checks the clock.
    """

    SILENCE_SECONDS = 45.0

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._heard = time.monotonic()
        self.settimeout = channel.settimeout
        self.close = channel.close

    @property
    def _closed(self) -> bool:
        # paramiko reads this attribute when it stops
        return bool(self._channel.closed)  # type: ignore[attr-defined]

    def recv(self, size: int) -> bytes:
        """As of a socket; EOFError when keepalives were unanswered for SILENCE_SECONDS."""
        try:
            data = self._channel.recv(size)
        except TimeoutError:
            self._check_silence()
            raise
        self._heard = time.monotonic()
        return data

    def send(self, data: bytes) -> int:
        """As of a socket."""
        try:
            return self._channel.send(data)
        except TimeoutError:
            self._check_silence()
            raise

    def _check_silence(self) -> None:
        if time.monotonic() - self._heard > self.SILENCE_SECONDS:
            raise EOFError


def connect(host: str, address: str, port: int) -> QuickSocket:
    """Connect to the first IP address of `address` that answers; HostUnreachable names each IP address with its error."""
    try:
        candidates = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HostUnreachable(
            host, f"{address} has no IP address ({error.strerror})", "Check ssh.address and the name servers of this machine."
        ) from None
    failures = []
    for family, kind, protocol, _, where in candidates:
        connection = None
        try:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(CONNECT_SECONDS)
            connection.connect(where)
            return QuickSocket(connection)
        except OSError as error:
            if connection is not None:
                connection.close()
            failures.append(f"{join_host_port(str(where[0]), port)}: {_reason(error)}")
    raise HostUnreachable(host, "; ".join(failures), "Check that the machine is on, that sshd runs, and that no firewall is in between.")


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS:.0f} s"
    if error.errno == errno.EHOSTUNREACH:
        return "no route to the host, or no machine has this address"
    return os.strerror(error.errno).lower() if error.errno else str(error)
