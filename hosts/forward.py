"""A port on loopback that forwards to an address which a host reaches: for programs without SSH support."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import paramiko

from cluster.vocabulary.errors import SixstackError
from hosts.channels import close_channel
from hosts.session import Session

_READ = 1 << 16


@contextmanager
def forwarded(session: Session, host: str, port: int) -> Iterator[tuple[str, int]]:
    """Listen on loopback inside the `with` block; the session's host forwards each connection to `host`:`port`."""
    listener = socket.create_server(("127.0.0.1", 0))
    forward = _Forward(session, host, port, listener)
    try:
        threading.Thread(target=forward.serve, name=f"forward to {host}", daemon=True).start()
        yield "127.0.0.1", int(listener.getsockname()[1])
    finally:
        forward.close()


class _Forward:
    def __init__(self, session: Session, host: str, port: int, listener: socket.socket) -> None:
        self._session, self._host, self._port, self._listener = session, host, port, listener
        self._guard = threading.Lock()
        self._open: set[tuple[socket.socket, paramiko.Channel]] = set()
        self._closed = False

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), name=f"forward to {self._host}", daemon=True).start()

    def close(self) -> None:
        """Stop listening and end every connection."""
        with self._guard:
            self._closed = True
            ending = list(self._open)
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close alone leaves accept() waiting
        self._listener.close()
        for client, channel in ending:
            with suppress(OSError, EOFError):
                client.shutdown(socket.SHUT_RDWR)
            close_channel(channel)

    def _carry(self, client: socket.socket) -> None:
        with client:
            try:
                channel = self._session.dial(self._host, self._port)
            except SixstackError:
                return  # the client sees its connection closed
            pair = (client, channel)
            with self._guard:
                if self._closed:
                    close_channel(channel)
                    return
                self._open.add(pair)
            back = threading.Thread(target=_copy, args=(channel, client), name=f"forward from {self._host}", daemon=True)
            back.start()
            _copy(client, channel)
            back.join()
            with self._guard:
                self._open.discard(pair)
            close_channel(channel)


def _copy(source: socket.socket | paramiko.Channel, target: socket.socket | paramiko.Channel) -> None:
    """Copy one direction and forward its end; an error ends both directions."""
    try:
        while data := source.recv(_READ):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except (OSError, EOFError):
        for end in (source, target):
            with suppress(OSError, EOFError):
                end.shutdown(socket.SHUT_RDWR) if isinstance(end, socket.socket) else end.close()
