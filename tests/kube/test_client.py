"""The API client: who it trusts, what it leaves behind, and which error says what."""

from __future__ import annotations

import base64
import os
import pickle
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cluster.vocabulary.errors import ApiUnavailable, ClusterError, EnvironmentFault, HostUnreachable, LoginRefused
from kube.client import ApiRefused, connect

Server = Any  # conftest's TlsServer


def test_a_request_goes_through_the_dial_with_the_clients_certificate(tls_server: Server) -> None:
    """The kubeconfig's address, without brackets, is what gets dialled; the server sees kubernetes-admin."""
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert api.get("/api/v1/nodes", labelSelector="a=b c") == {"kind": "Answer"}
    assert tls_server.dialled == [("fd66::11", 6443)]
    assert tls_server.clients == ["kubernetes-admin"]
    assert tls_server.asked == [("GET", "/api/v1/nodes?labelSelector=a%3Db+c", None)]


def test_the_clients_key_never_becomes_a_file(tls_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No temporary file is made; the kubernetes client's own way makes two and keeps them."""
    empty = tmp_path / "temporary"
    empty.mkdir()
    monkeypatch.setenv("TMPDIR", str(empty))
    monkeypatch.setattr("tempfile.tempdir", None)
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        api.get("/version")
        assert list(empty.iterdir()) == []
        assert not [target for fd in os.listdir("/proc/self/fd") if "memfd:client" in (target := _target(fd))]
    assert "PRIVATE" not in repr(api.config)


def test_a_server_of_another_cluster_is_refused(tls_server: Server, authority: Any) -> None:
    """The CA in the kubeconfig decides, and the error says what it means."""
    with connect(tls_server.kubeconfig(authority), tls_server.dial) as api, pytest.raises(ClusterError, match="Another cluster answers"):
        api.get("/version")


def test_a_server_of_another_name_is_refused(serve_tls: Callable[[str], Server]) -> None:
    """A certificate of the right CA for another purpose (kubelet, etcd) does not do."""
    server = serve_tls("etcd")
    with connect(server.kubeconfig(), server.dial) as api, pytest.raises(ClusterError, match="Another cluster answers"):
        api.get("/version")


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "Connection refused"), EOFError(), HostUnreachable("n1", "no route")])
def test_a_dial_that_fails_may_pass(tls_server: Server, error: Exception) -> None:
    """A refused or lost connection is ApiUnavailable, which tasks retry."""

    def dial(_host: str, _port: int) -> socket.socket:
        raise error

    with connect(tls_server.kubeconfig(), dial) as api, pytest.raises(ApiUnavailable, match=r"fd66::11 port 6443"):
        api.get("/version")


def test_a_host_that_must_be_mended_is_not_called_passing(tls_server: Server) -> None:
    """What the dial says of a login goes through unchanged."""

    def dial(_host: str, _port: int) -> socket.socket:
        raise LoginRefused("n1", "the key is refused", "add it")

    with connect(tls_server.kubeconfig(), dial) as api, pytest.raises(LoginRefused):
        api.get("/version")


def test_a_connection_that_ends_in_the_handshake_may_pass(tls_server: Server) -> None:
    """An API server that is just going down cuts connections."""

    def dial(_host: str, _port: int) -> socket.socket:
        ours, theirs = socket.socketpair()

        def cut() -> None:
            theirs.recv(1)
            theirs.close()

        threading.Thread(target=cut).start()
        return ours

    with connect(tls_server.kubeconfig(), dial) as api, pytest.raises(ApiUnavailable):
        api.get("/version")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_or_starting_server_may_pass(tls_server: Server, status: int) -> None:
    """These answers mean: not now."""
    tls_server.answers = [(status, {"kind": "Status", "message": "etcdserver: no leader"})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api, pytest.raises(ApiUnavailable, match="no leader"):
        api.get("/api/v1/nodes")


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (409, "Conflict"), (422, "Invalid")])
def test_a_refusal_carries_the_servers_words(tls_server: Server, status: int, reason: str) -> None:
    """Status and reason are for code, the message is for people, and it survives pickling (task runners move errors)."""
    tls_server.answers = [(status, {"kind": "Status", "reason": reason, "message": "no, because"})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api, pytest.raises(ApiRefused, match="no, because") as caught:
        api.create("/api/v1/namespaces", {"kind": "Namespace"})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.status, again.reason, str(again)) == (status, reason, str(caught.value))


def test_nothing_there_is_not_an_error_for_find_and_delete(tls_server: Server) -> None:
    """404 is an answer."""
    tls_server.answers = [(404, {"reason": "NotFound"})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert api.find("/api/v1/nodes/a") is None
        assert api.delete("/api/v1/nodes/a") is False


def test_bodies_arrive_as_the_documents_they_are(tls_server: Server) -> None:
    """A merge patch is not encoded twice."""
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        api.merge("/api/v1/nodes/a", {"metadata": {"labels": {"a": None}}})
    assert tls_server.asked == [("PATCH", "/api/v1/nodes/a", {"metadata": {"labels": {"a": None}}})]


def test_a_watch_yields_an_event_a_line(tls_server: Server) -> None:
    """Events come as they are written, and the watch ends when the server ends it."""
    tls_server.answers = [(200, b'{"type":"ADDED","object":{}}\n{"type":"DELETED","object":{}}\n')]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert [event["type"] for event in api.watch("/api/v1/nodes", {"resourceVersion": "5"}, 7)] == ["ADDED", "DELETED"]
    assert tls_server.asked[0][1] == "/api/v1/nodes?resourceVersion=5&watch=1&timeoutSeconds=7"


def test_leaving_the_context_ends_every_thread(tls_server: Server) -> None:
    """No thread and no socket outlives the connection."""
    before = set(threading.enumerate())
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        api.get("/version")
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("kube-bridge")]
    assert left == []


def test_a_damaged_key_is_said_before_anything_is_dialled(tls_server: Server) -> None:
    """The kubeconfig must be saved anew."""
    config = tls_server.kubeconfig()
    config["users"][0]["user"]["client-key-data"] = base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode()
    with pytest.raises(EnvironmentFault, match="is damaged"), connect(config, tls_server.dial):
        pass
    assert tls_server.dialled == []


def test_a_proxy_in_the_environment_is_not_used(tls_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dial is the way, whatever the worker's environment says."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert api.get("/version") == {"kind": "Answer"}


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
