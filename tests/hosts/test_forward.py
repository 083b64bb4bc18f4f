"""Loopback ports that lead through a host."""

from __future__ import annotations

import socket
import threading

import pytest

from hosts.forward import forwarded
from hosts.session import Session
from tests.hosts.sshd import Sshd, closed_port


def test_bytes_go_both_ways_and_each_side_sees_the_end_of_the_other(session: Session) -> None:
    """A server that answers only after the client's half is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while data := connection.recv(65536):
                    received += data
                connection.sendall(received[::-1])

        threading.Thread(target=serve, daemon=True).start()
        with forwarded(session, "127.0.0.1", listener.getsockname()[1]) as where, socket.create_connection(where, timeout=10) as client:
            sent = bytes(range(256)) * 8000
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            received = b""
            while data := client.recv(65536):
                received += data
    assert received == sent[::-1]


def test_the_port_closes_with_the_block_and_so_do_its_connections(session: Session, sshd: Sshd) -> None:
    """Nothing is left listening."""
    with forwarded(session, "127.0.0.1", sshd.port) as where:
        client = socket.create_connection(where, timeout=10)
        assert client.recv(4) == b"SSH-"
    while client.recv(65536):
        pass
    client.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(where, timeout=5)


def test_a_port_that_the_host_does_not_reach_is_a_closed_connection(session: Session) -> None:
    """The program behind it sees what it would see without us."""
    with closed_port() as port, forwarded(session, "127.0.0.1", port) as where, socket.create_connection(where, timeout=10) as client:
        assert client.recv(1) == b""
