"""The API client: certificates, cleanup and errors."""

from __future__ import annotations

import base64
import json
import os
import pickle
import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from cluster.vocabulary.errors import ApiUnavailable, ClusterError, EnvironmentFault, HostUnreachable, LoginRefused
from kube.client import ApiRefused, connect

Server = Any  # conftest's TlsServer


def test_a_request_goes_through_the_dial_with_the_clients_certificate(tls_server: Server) -> None:
    """The client dials the kubeconfig's address without brackets, and the server sees kubernetes-admin."""
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert api.get("/api/v1/nodes", labelSelector="a=b c") == {"kind": "Answer"}
    assert tls_server.dialled == [("fd66::11", 6443)]
    assert tls_server.clients == ["kubernetes-admin"]
    assert tls_server.asked == [("GET", "/api/v1/nodes?labelSelector=a%3Db+c", None)]


def test_the_clients_key_never_becomes_a_file(tls_server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No temporary file is created. The kubernetes client itself would create two files and keep them."""
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
    """The server's certificate must be signed by the CA in the kubeconfig."""
    with connect(tls_server.kubeconfig(authority), tls_server.dial) as api, pytest.raises(ClusterError, match="Another cluster answers"):
        api.get("/version")


def test_a_server_of_another_name_is_refused(serve_tls: Callable[[str], Server]) -> None:
    """A certificate of the same CA for another purpose (kubelet, etcd) is refused."""
    server = serve_tls("etcd")
    with connect(server.kubeconfig(), server.dial) as api, pytest.raises(ClusterError, match="Another cluster answers"):
        api.get("/version")


def test_a_server_with_its_name_only_in_the_subject_is_refused(serve_tls: Callable[[str], Server]) -> None:
    """Go's clients refuse it too: only the SANs count. For requests, and for the sockets of exec."""
    server = serve_tls("")
    with connect(server.kubeconfig(), server.dial) as api:
        with pytest.raises(ClusterError, match="mismatch"):
            api.get("/version")
        with pytest.raises(ClusterError, match="mismatch"):
            api.open_socket()


def test_an_expired_certificate_of_a_server_is_named_with_its_remedy(serve_tls: Callable[..., Server]) -> None:
    """It is not taken for another cluster."""
    server = serve_tls("kubernetes", timedelta(minutes=-1))
    with connect(server.kubeconfig(), server.dial) as api, pytest.raises(ClusterError, match=r"has expired.*sixstack renew"):
        api.get("/version")


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "Connection refused"), EOFError(), HostUnreachable("n1", "no route")])
def test_a_failed_dial_is_retryable(tls_server: Server, error: Exception) -> None:
    """A refused or lost connection is ApiUnavailable, which tasks retry."""

    def dial(_host: str, _port: int) -> socket.socket:
        raise error

    with connect(tls_server.kubeconfig(), dial) as api, pytest.raises(ApiUnavailable, match=r"fd66::11 port 6443"):
        api.get("/version")


def test_an_error_of_the_host_is_not_retryable(tls_server: Server) -> None:
    """The dial's error about a login is raised unchanged."""

    def dial(_host: str, _port: int) -> socket.socket:
        raise LoginRefused("n1", "the key is refused", "add it")

    with connect(tls_server.kubeconfig(), dial) as api, pytest.raises(LoginRefused):
        api.get("/version")


def test_a_connection_that_ends_in_the_handshake_is_retryable(tls_server: Server) -> None:
    """An API server that shuts down closes connections."""

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
def test_an_overloaded_or_starting_server_is_retryable(tls_server: Server, status: int) -> None:
    """These status codes are temporary."""
    tls_server.answers = [(status, {"kind": "Status", "message": "etcdserver: no leader"})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api, pytest.raises(ApiUnavailable, match="no leader"):
        api.get("/api/v1/nodes")


def test_an_eviction_that_a_budget_forbids_is_refused_and_not_an_overload(tls_server: Server) -> None:
    """Both have the status 429. The message has the cause; a cause of another form is an overload."""
    cause = {"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods and has 2 currently"}
    status = {"kind": "Status", "message": "Cannot evict pod as it would violate the pod's disruption budget."}
    tls_server.answers = [(429, {**status, "details": {"causes": [cause]}}), (429, {**status, "details": {"causes": ["odd"]}})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        with pytest.raises(ApiRefused, match="web needs 2 healthy pods") as caught:
            api.create("/eviction", {})
        assert (caught.value.status, caught.value.reason) == (429, "DisruptionBudget")
        with pytest.raises(ApiUnavailable):
            api.create("/eviction", {})


@pytest.mark.parametrize("not_ready", [403, 500])
def test_a_starting_server_that_refuses_everything_is_retryable(tls_server: Server, not_ready: int) -> None:
    """Until it has read its roles, an API server answers 403 to an administrator, also to the question whether it is ready."""
    tls_server.answers = [(403, {"reason": "Forbidden"}), (not_ready, b"not yet")]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        with pytest.raises(ApiUnavailable, match="is starting"):
            api.get("/api/v1/nodes")
        tls_server.answers = [(403, {"reason": "Forbidden"}), (not_ready, b"not yet")]
        with pytest.raises(ApiUnavailable, match="is starting"):
            list(api.watch("/api/v1/nodes", {}, 5))


def test_a_request_that_a_starting_server_refused_is_sent_again_when_it_is_ready(tls_server: Server) -> None:
    """A refused request has changed nothing."""
    tls_server.answers = [(403, {"reason": "Forbidden"}), (200, b"ok"), (201, {"kind": "Namespace"})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert api.create("/api/v1/namespaces", {"kind": "Namespace"}) == {"kind": "Namespace"}
    assert [path for _, path, _ in tls_server.asked] == ["/api/v1/namespaces", "/readyz", "/api/v1/namespaces"]


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (409, "Conflict"), (422, "Invalid")])
def test_a_refusal_has_the_message_of_the_server(tls_server: Server, status: int, reason: str) -> None:
    """The error has status, reason and message, and can be pickled (task runners move errors between processes)."""
    answer = (status, {"kind": "Status", "reason": reason, "message": "no, because"})
    tls_server.answers = [answer, (200, b"ok"), answer] if status == 403 else [answer]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api, pytest.raises(ApiRefused, match="no, because") as caught:
        api.create("/api/v1/namespaces", {"kind": "Namespace"})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.status, again.reason, str(again)) == (status, reason, str(caught.value))


def test_a_missing_object_is_not_an_error_for_find_and_delete(tls_server: Server) -> None:
    """The server answers 404."""
    tls_server.answers = [(404, {"reason": "NotFound"})]
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert api.find("/api/v1/nodes/a") is None
        assert api.delete("/api/v1/nodes/a") is False


def test_bodies_are_encoded_once(tls_server: Server) -> None:
    """A merge patch arrives as a document."""
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        api.merge("/api/v1/nodes/a", {"metadata": {"labels": {"a": None}}})
    assert tls_server.asked == [("PATCH", "/api/v1/nodes/a", {"metadata": {"labels": {"a": None}}})]


def test_a_watch_yields_an_event_for_each_line(tls_server: Server) -> None:
    """Events are yielded immediately, and the watch ends when the server ends it."""
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


def test_a_damaged_key_is_reported_before_the_dial(tls_server: Server) -> None:
    """The kubeconfig must be saved again."""
    config = tls_server.kubeconfig()
    config["users"][0]["user"]["client-key-data"] = base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode()
    with pytest.raises(EnvironmentFault, match="is damaged"), connect(config, tls_server.dial):
        pass
    assert tls_server.dialled == []


def test_a_proxy_in_the_environment_is_not_used(tls_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client uses only the dial, not the proxy settings of the worker's environment."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    with connect(tls_server.kubeconfig(), tls_server.dial) as api:
        assert api.get("/version") == {"kind": "Answer"}


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""


class TestLargeAnswers:
    """An answer is read piece by piece, up to a limit."""

    @pytest.fixture(autouse=True)
    def small_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that the tests are fast."""
        monkeypatch.setattr("kube.client.MOST_ANSWER", 1_000_000)
        monkeypatch.setattr("kube.client.MOST_EVENT", 200_000)

    @pytest.mark.parametrize("status", [200, 500])
    def test_a_larger_answer_is_an_error_that_names_the_server(self, tls_server: Server, status: int) -> None:
        """Whatever its status."""
        tls_server.answers = [(status, b"x" * 1_200_000), (200, {"kind": "Answer"})]
        with connect(tls_server.kubeconfig(), tls_server.dial) as api:
            found = r"fd66::11 port 6443 sends an answer of more than 1,000,000 bytes to GET /api/v1/nodes\. Look for what"
            with pytest.raises(ClusterError, match=found):
                api.get("/api/v1/nodes")
            assert api.get("/api/v1/nodes") == {"kind": "Answer"}

    def test_an_answer_up_to_the_limit_is_read(self, tls_server: Server) -> None:
        """To its last byte."""
        tls_server.answers = [(200, b"x" * 1_000_000)]
        with connect(tls_server.kubeconfig(), tls_server.dial) as api:
            assert api.get("/metrics") == {"text": "x" * 1_000_000}

    def test_a_larger_event_is_an_error(self, tls_server: Server) -> None:
        """Events before it arrive."""
        tls_server.answers = [(200, b'{"type":"ADDED"}\n\n{"type":"MODIFIED"}\n' + b"x" * 300_000)]
        with connect(tls_server.kubeconfig(), tls_server.dial) as api:
            events = api.watch("/api/v1/nodes", {}, 5)
            assert [next(events), next(events)] == [{"type": "ADDED"}, {"type": "MODIFIED"}]
            with pytest.raises(ClusterError, match="sends an event of more than 200,000 bytes to WATCH /api/v1/nodes"):
                next(events)

    def test_events_are_split_at_line_feeds_wherever_the_pieces_end(self, tls_server: Server) -> None:
        """The last one may lack its line feed."""
        documents = [{"type": "ADDED", "text": "x" * size} for size in (0, 65_000, 1, 130_000, 3)]
        tls_server.answers = [(200, b"\n".join(json.dumps(document).encode() for document in documents))]
        with connect(tls_server.kubeconfig(), tls_server.dial) as api:
            assert list(api.watch("/api/v1/nodes", {}, 5)) == documents

    @pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 30_000, b"{"], ids=["lists", "objects", "half"])
    def test_json_that_cannot_be_read_is_retryable(self, tls_server: Server, data: bytes) -> None:
        """Too deep for Python, or cut off."""
        tls_server.answers = [(200, data)]
        with connect(tls_server.kubeconfig(), tls_server.dial) as api:
            with pytest.raises(ApiUnavailable, match="does not answer GET /api/v1/nodes"):
                api.get("/api/v1/nodes")
            with pytest.raises(ApiUnavailable, match="does not answer WATCH /api/v1/nodes"):
                list(api.watch("/api/v1/nodes", {}, 5))

    @pytest.mark.parametrize("data", [b"[" * 100_000, b"[]", b"null"], ids=["deep", "list", "null"])
    def test_a_refusal_that_is_no_status_object_is_a_refusal(self, tls_server: Server, data: bytes) -> None:
        """Its text is quoted, as far as a message goes."""
        tls_server.answers = [(403, data), (200, b"ok"), (403, data)]
        with connect(tls_server.kubeconfig(), tls_server.dial) as api, pytest.raises(ApiRefused) as caught:
            api.get("/api/v1/nodes")
        assert (caught.value.status, caught.value.message) == (403, data[:500].decode())
