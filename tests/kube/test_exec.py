"""Running a command in a pod: answers other than a stream (the lab's network checks use real streams)."""

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
