"""Running a command in a pod: what an answer other than a stream means (real streams run in the lab's network checks)."""

from __future__ import annotations

import json
import socket
from datetime import timedelta
from typing import Any

import pytest

from cluster.vocabulary.errors import ApiUnavailable
from kube.client import ApiRefused, connect
from kube.exec import exit_code_of, run_in_pod

Server = Any  # conftest's TlsServer
LIMIT = timedelta(seconds=5)


def test_a_pod_that_is_not_there_is_a_refusal(tls_server: Server) -> None:
    """The server's own message goes through; stdin, stdout and each word of the command are in the request."""
    tls_server.answers = [(404, {"reason": "NotFound", "message": 'pods "probe" not found'})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api, pytest.raises(ApiRefused, match='pods "probe" not found') as caught:
        run_in_pod(api, "ns", "probe", ["sh", "-c", "a b"], stdin="", limit=LIMIT)
    assert (caught.value.status, caught.value.reason) == (404, "NotFound")
    path = "/api/v1/namespaces/ns/pods/probe/exec?stdin=true&stdout=true&stderr=true&command=sh&command=-c&command=a+b"
    assert tls_server.asked[0][:2] == ("GET", path)


def test_a_server_that_cuts_the_stream_may_pass(tls_server: Server) -> None:
    """The connection ends before the answer."""

    def dial(_host: str, _port: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        theirs.close()
        return ours

    with connect(tls_server.kubeconfig(), dial) as api, pytest.raises(ApiUnavailable):
        run_in_pod(api, "ns", "probe", ["true"], stdin="", limit=LIMIT)


@pytest.mark.parametrize(
    ("status", "code"),
    [({"status": "Success"}, 0), ({"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}}, 3)],
)
def test_the_status_that_ends_a_stream_carries_the_exit_code(status: dict[str, Any], code: int) -> None:
    """As KEP-4006 has it."""
    assert exit_code_of(json.dumps(status).encode(), "exec") == code


@pytest.mark.parametrize("status", [b"", json.dumps({"status": "Failure", "message": "task not found"}).encode()])
def test_a_command_that_was_not_run_has_no_exit_code(status: bytes) -> None:
    """The container runtime failed, or the stream ended early: that may pass."""
    with pytest.raises(ApiUnavailable, match="exec"):
        exit_code_of(status, "exec")
