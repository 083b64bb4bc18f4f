"""The API's connections over a real sshd, which ends a whole SSH connection over one message for a channel that is gone."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hosts.session import Session
from kube.channel import Bridge


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns between any two instructions, as on a busy machine."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_connections_that_end_on_both_sides_at_once_leave_the_ssh_connection_alone(session: Session) -> None:
    """Six hundred connections, whose server closes while the client does."""

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(100)
            connection.sendall(b"bye")

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()

        def connect_and_close(_number: int) -> bytes:
            bridge = Bridge(session.dial("127.0.0.1", listener.getsockname()[1]))
            bridge.socket.sendall(b"hello")
            said = bridge.socket.recv(10)
            bridge.close()
            return said

        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(connect_and_close, range(600))) == {b"bye"}
