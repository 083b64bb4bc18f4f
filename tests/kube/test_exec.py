"""Running a command in a pod: answers other than a stream (the lab's network checks use real streams)."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from cluster.vocabulary.errors import ApiUnavailable, ClusterError
from kube.client import ApiRefused, connect
from kube.exec import exit_code_of, run_in_pod

Server = Any  # conftest's TlsServer
LIMIT = timedelta(seconds=5)


def test_a_missing_pod_is_a_refusal(tls_server: Server) -> None:
    """The error has the server's message. The request has stdin, stdout and each word of the command."""
    tls_server.answers = [(404, {"reason": "NotFound", "message": 'pods "probe" not found'})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api, pytest.raises(ApiRefused, match='pods "probe" not found') as caught:
        run_in_pod(api, "ns", "probe", ["sh", "-c", "a b"], stdin="", limit=LIMIT)
    assert (caught.value.status, caught.value.reason) == (404, "NotFound")
    path = "/api/v1/namespaces/ns/pods/probe/exec?stdin=true&stdout=true&stderr=true&command=sh&command=-c&command=a+b"
    assert tls_server.asked[0][:2] == ("GET", path)


def test_an_interrupted_stream_is_retryable(tls_server: Server) -> None:
    """The connection ends before the answer."""

    def dial(_host: str, _port: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    with connect(tls_server.kubeconfig(), dial) as api, pytest.raises(ApiUnavailable):
        run_in_pod(api, "ns", "probe", ["true"], stdin="", limit=LIMIT)


@pytest.mark.parametrize("frames", ["many", "one"])
def test_output_without_end_is_an_error_that_names_the_pod(tls_server: Server, monkeypatch: pytest.MonkeyPatch, frames: str) -> None:
    """In many messages, or in one that is announced with a terabyte."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += theirs.recv(4096)
        key = next(line.split()[1] for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        accepted = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        theirs.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ")
        theirs.sendall(accepted + b"\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n")
        with theirs, suppress(OSError):
            if frames == "one":
                theirs.sendall(b"\x82\x7f" + struct.pack(">Q", 1 << 40) + b"\1")
            while True:
                theirs.sendall((b"\x82\x7e" + struct.pack(">H", 60_001) + b"\1" if frames == "many" else b"") + b"x" * 60_000)

    threading.Thread(target=answer, daemon=True).start()
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        monkeypatch.setattr(api, "open_socket", lambda: ours)
        with pytest.raises(ClusterError, match="the command in pod ns/probe printed more than 16,000,000 bytes"):
            run_in_pod(api, "ns", "probe", ["yes"], stdin="", limit=timedelta(seconds=60))


@pytest.mark.parametrize("status", [b"[" * 100_000, b"{", b"[]", b"{}", b"1"], ids=["deep", "half", "list", "empty", "number"])
def test_a_status_of_another_form_is_retryable(status: bytes) -> None:
    """Nothing of the JSON library leaves."""
    with pytest.raises(ApiUnavailable, match="exec ended with a status that is not one of Kubernetes"):
        exit_code_of(status, "exec")


@pytest.mark.parametrize(
    ("status", "code"),
    [({"status": "Success"}, 0), ({"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}, 3)],
)
def test_the_status_at_the_end_of_a_stream_has_the_exit_code(status: dict[str, Any], code: int) -> None:
    """As specified in KEP-4006."""
    assert exit_code_of(json.dumps(status).encode(), "exec") == code


@pytest.mark.parametrize("status", [b"", json.dumps({"status": "Failure", "message": "task not found"}).encode()])
def test_a_command_that_was_not_run_has_no_exit_code(status: bytes) -> None:
    """The container runtime failed, or the stream ended early. Both are temporary."""
    with pytest.raises(ApiUnavailable, match="exec"):
        exit_code_of(status, "exec")
