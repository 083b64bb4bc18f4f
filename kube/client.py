"""The Kubernetes API as plain documents, over a connection that the caller dials.

`kubernetes.client.ApiClient` sends the requests. Its hundreds of models are never imported: they load lazily, and cost seconds and
tens of megabytes. Keys stay in memory, while the client on its own writes them to files.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

# at import, not at first use: the client loads its modules lazily, and two threads that do so at once deadlock in the import system
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3 import BaseHTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError

from cluster.vocabulary.errors import ApiUnavailable, ClusterError, EnvironmentFault, Retryable, SixstackError
from kube.channel import Bridge, Dial
from kube.kubeconfig import Kubeconfig, read_kubeconfig

Document = dict[str, Any]  # one Kubernetes object, list or watch event

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"  # lists of Kubernetes' own types by their keys
APPLY_PATCH = "application/apply-patch+yaml"  # JSON is YAML

MOST_ANSWER = 64_000_000  # bytes: a list of 5000 nodes has 50 MB
MOST_EVENT = 16_000_000  # bytes of an event of a watch: etcd takes objects of 1.5 MB
_SLOWEST = 100_000  # bytes a second: a connection slower than this is treated as broken
_READ = 1 << 16
_LONGEST_MESSAGE = 2000
_CERTIFICATE_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL

# temporary answers: overloaded, starting, etcd without a leader, a webhook that has not started
_FORBIDDEN = 403
_TOO_MANY = 429
PASSING = frozenset({_TOO_MANY, 500, 502, 503, 504})

DISRUPTION_BUDGET = "DisruptionBudget"  # the reason of a refused eviction


class ApiRefused(ClusterError):
    """The API server refused a request: `status` is the HTTP code, `reason` that of Kubernetes (NotFound, Conflict, Invalid, ...)."""

    def __init__(self, request: str, status: int, reason: str, message: str) -> None:
        self.request, self.status, self.reason, self.message = request, status, reason, message
        super().__init__(f"the Kubernetes API refused {request}: {status} {reason}: {message}")

    def __reduce__(self) -> tuple[type[ApiRefused], tuple[str, int, str, str]]:
        return type(self), (self.request, self.status, self.reason, self.message)


class KubeApi:
    """One API server, for any number of threads. Use `connect`."""

    def __init__(self, config: Kubeconfig, dial: Dial) -> None:
        self.config = config
        self.context = _tls_context(config)
        self._dial = dial
        self._bridges: list[Bridge] = []
        self._guard = threading.Lock()
        self._client = self._api_client()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
        seconds: float = 30,
    ) -> Document:
        """Send one request and return its JSON answer, within `seconds`.

        Raises ApiUnavailable (temporary), ApiRefused (permanent), ClusterError for an answer that is too large, or the error of `dial` for a
        host that must be fixed.
        """
        with self._errors(f"{method} {path}"):
            status, data = self._exchange(method, path, query, body, content_type, seconds)
            if status == _FORBIDDEN:
                self._require_ready(f"{method} {path}")
                status, data = self._exchange(method, path, query, body, content_type, seconds)
            if not 200 <= status < 300:
                raise refusal(f"{method} {path}", status, data)
            return json.loads(data) if data[:1] in (b"{", b"[") else {"text": data.decode(errors="replace")}

    def get(self, path: str, **query: str) -> Document:
        """One object or list."""
        return self.request("GET", path, query=query)

    def find(self, path: str) -> Document | None:
        """One object, or None."""
        try:
            return self.get(path)
        except ApiRefused as refusal:
            if refusal.status == 404:
                return None
            raise

    def create(self, path: str, document: Document) -> Document:
        """POST to a collection's path."""
        return self.request("POST", path, body=document)

    def merge(self, path: str, patch: Document) -> Document:
        """Send a JSON merge patch (RFC 7386); with `metadata.resourceVersion` in the patch, a concurrent change is a Conflict."""
        return self.request("PATCH", path, body=patch, content_type=MERGE_PATCH)

    def delete(self, path: str) -> bool:
        """Request a removal, which continues after the return; False when the object does not exist."""
        try:
            self.request("DELETE", path, body={"propagationPolicy": "Background"})
        except ApiRefused as refusal:
            if refusal.status == 404:
                return False
            raise
        return True

    def watch(self, path: str, query: Mapping[str, str], seconds: float) -> Iterator[Document]:
        """Events of a collection until the server ends the watch, after `seconds` at the latest."""
        asked = {**query, "watch": "1", "timeoutSeconds": str(max(1, int(seconds)))}
        with self._errors(f"WATCH {path}"):
            # the read timeout is for a connection that was lost unnoticed; the server's own timeout ends a quiet watch
            response = self._send("GET", path, asked, None, seconds=seconds + 10)
            try:
                if response.status != 200:
                    if response.status == _FORBIDDEN:
                        self._require_ready(f"WATCH {path}")
                    raise refusal(f"WATCH {path}", response.status, self._body(response, f"WATCH {path}", seconds))
                for line in self._lines(response, f"WATCH {path}"):
                    if line.strip():
                        yield json.loads(line)
            finally:
                response.close()

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str] | None, body: object, content_type: str, seconds: float
    ) -> tuple[int, bytes]:
        """Status and body of the answer to one request."""
        response = self._send(method, path, query, body, seconds=seconds, content_type=content_type)
        return response.status, self._body(response, f"{method} {path}", seconds)

    def _require_ready(self, request: str) -> None:
        """ApiUnavailable while the API server starts: until it has read its roles, it answers 403 to an administrator too (also to this request)."""
        status, _ = self._exchange("GET", "/readyz", None, None, "application/json", 30)
        if status != 200:
            raise ApiUnavailable(f"{self._where} is starting: it refuses {request}, and is not ready")

    def _body(self, response: BaseHTTPResponse, request: str, seconds: float) -> bytes:
        """The whole answer, with a limit for its time: the timeout of the connection begins again with every byte."""
        begin, data = time.monotonic(), bytearray()
        try:
            for piece in response.stream(_READ):
                data += piece
                if len(data) > MOST_ANSWER:
                    raise self._too_large(request, "an answer", MOST_ANSWER)
                if time.monotonic() > begin + seconds + len(data) / _SLOWEST:
                    raise ApiUnavailable(
                        f"{self._where} has sent only {len(data):,} bytes of its answer to {request} within {seconds:.0f} s"
                    )
        except BaseException:
            response.close()  # a connection with an unread rest is not used again
            raise
        response.release_conn()
        return bytes(data)

    def _lines(self, response: BaseHTTPResponse, request: str) -> Iterator[bytes]:
        rest = bytearray()
        for piece in response.stream(_READ):
            first, *more = piece.split(b"\n")
            rest += first
            for part in more:
                yield bytes(rest)
                rest = bytearray(part)
            if len(rest) > MOST_EVENT:
                raise self._too_large(request, "an event", MOST_EVENT)
        if rest:
            yield bytes(rest)

    def _too_large(self, request: str, what: str, most: int) -> ClusterError:
        return ClusterError(
            f"{self._where} sends {what} of more than {most:,} bytes to {request}. Look for what creates so many or so large objects"
        )

    @property
    def _where(self) -> str:
        return f"the Kubernetes API at {self.config.host} port {self.config.port}"

    def open_socket(self) -> ssl.SSLSocket:
        """Open a separate TLS connection to the server, for exec; the caller closes it."""
        with self._errors("connect"):
            plain = self._bridge()
            plain.settimeout(30)
            try:
                return self.context.wrap_socket(plain, server_hostname=self.config.server_name)
            except BaseException:
                plain.close()
                raise

    @property
    def authorization(self) -> dict[str, str]:
        """The Authorization header; empty with a client certificate."""
        return {"Authorization": f"Bearer {self.config.token}"} if self.config.token else {}

    def close(self) -> None:
        """End every connection."""
        self._client.rest_client.pool_manager.clear()
        with self._guard:
            bridges, self._bridges = self._bridges, []
        for bridge in bridges:
            bridge.close()

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: object,
        *,
        seconds: float,
        content_type: str = "application/json",
    ) -> BaseHTTPResponse:
        url = f"{self._client.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": "sixstack", **self.authorization}
        # the client encodes JSON bodies itself, and sends any other body as text
        sent = json.dumps(body) if content_type == APPLY_PATCH else body
        response: BaseHTTPResponse = self._client.call_api(method, url, headers, body=sent, _request_timeout=(30, seconds)).response
        return response

    @contextmanager
    def _errors(self, request: str) -> Iterator[None]:
        """Convert the exceptions of the libraries into errors that a caller can act on."""
        where = self._where
        try:
            yield
        except SixstackError:
            raise
        except ssl.SSLCertVerificationError as error:
            raise _not_this_cluster(where, error) from None
        except ApiException as error:  # the client raises it for a failed TLS handshake
            if unverified := _unverified_certificate(error):
                raise _not_this_cluster(where, unverified) from None
            raise ApiUnavailable(f"{where} does not answer {request}: {_one_line(error.reason)}") from None
        except (HTTPError, OSError, ValueError, RecursionError) as error:  # the last two: half a line of JSON, or too deeply nested
            raise ApiUnavailable(f"{where} does not answer {request}: {_one_line(error)}") from None

    def _bridge(self) -> Any:
        host, port = self.config.host, self.config.port
        try:
            channel = self._dial(host, port)
        except Exception as error:  # each transport has its own exceptions: refused, administratively prohibited, EOF
            if isinstance(error, SixstackError) and not isinstance(error, Retryable):
                raise
            raise ApiUnavailable(f"the Kubernetes API at {host} port {port} is not reached: {_one_line(error)}") from error
        bridge = Bridge(channel)
        with self._guard:
            self._bridges = [known for known in self._bridges if known.alive] + [bridge]
        return bridge.socket

    def _api_client(self) -> ApiClient:
        open_bridge = self._bridge

        class Connection(HTTPSConnection):
            """A connection that is dialled instead of connected."""

            def _new_conn(self) -> Any:
                return open_bridge()

        class Pool(HTTPSConnectionPool):
            """A pool of dialled connections."""

            ConnectionCls = Connection

        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        client = ApiClient(Configuration(host=f"https://{host}:{self.config.port}"))
        manager = PoolManager(maxsize=8, retries=False, ssl_context=self.context, server_hostname=self.config.server_name)
        manager.pool_classes_by_scheme = {"https": Pool}
        client.rest_client.pool_manager = manager
        return client


@contextmanager
def connect(kubeconfig: str | Mapping[str, Any], dial: Dial) -> Iterator[KubeApi]:
    """Connect to the API server of a kubeconfig through `dial`; every connection is closed at the end.

    The certificate of the server is verified against the CA of the kubeconfig, for the name `kubernetes`.
    """
    api = KubeApi(read_kubeconfig(kubeconfig), dial)
    try:
        yield api
    finally:
        api.close()


@contextmanager
def connect_directly(kubeconfig: str | Mapping[str, Any], seconds: float = 10) -> Iterator[KubeApi]:
    """Connect to the API server of a kubeconfig at its own URL, for a cluster that this machine has a route to.

    The certificate of the server is verified as by every client: for `tls-server-name` if it is set, else for the host of the URL.
    """

    def dial(host: str, port: int) -> socket.socket:
        connected = socket.create_connection((host, port), timeout=seconds)
        connected.settimeout(None)
        return connected

    config = read_kubeconfig(kubeconfig, any_name=False)
    api = KubeApi(config, dial)
    try:
        yield api
    finally:
        api.close()


def refusal(request: str, status: int, data: bytes) -> ApiRefused | ApiUnavailable:
    """The error for an answer of the API server; `data` is the body, usually a Status document."""
    answer: object = None
    with suppress(ValueError, RecursionError):
        answer = json.loads(data)
    status_object: Document = answer if isinstance(answer, dict) else {}
    message = str(status_object.get("message") or data[:500].decode(errors="replace").strip())[:_LONGEST_MESSAGE]
    if status == _TOO_MANY and (budget := _budget(status_object)):
        return ApiRefused(request, status, DISRUPTION_BUDGET, f"{message} {budget}"[:_LONGEST_MESSAGE])
    if status in PASSING:
        return ApiUnavailable(f"the Kubernetes API cannot do {request} now: {status} {message}")
    return ApiRefused(request, status, str(status_object.get("reason", ""))[:_LONGEST_MESSAGE], message)


def _budget(status_object: Document) -> str:
    """The cause of an eviction that a budget forbids, which has the status of an overloaded server; "" for any other refusal."""
    details = status_object.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    found = [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []
    return " ".join(str(cause.get("message", "")) for cause in found if cause.get("reason") == DISRUPTION_BUDGET)


def segment(name: str) -> str:
    """A name, quoted as one segment of a path."""
    return quote(name, safe="")


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _unverified_certificate(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """The failed verification in the chain of exceptions that led to `error`."""
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error


def _not_this_cluster(where: str, error: ssl.SSLCertVerificationError) -> ClusterError:
    if error.verify_code == _CERTIFICATE_EXPIRED:
        return ClusterError(
            f"the certificate of {where} has expired, or the clock of this machine is wrong. To renew it: sixstack renew CLUSTER"
        )
    return ClusterError(
        f"{where} has a certificate that this cluster's CA did not sign ({_one_line(error)}). "
        "Another cluster answers there: check the endpoint"
    )


def _tls_context(config: Kubeconfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the chain and the name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # as Go, whose clients take names from the SANs alone
    try:
        context.load_verify_locations(cadata=config.authority)
        if config.certificate and config.key:
            # the ssl module reads files only: this file exists in memory
            with open(os.memfd_create("client", os.MFD_CLOEXEC), "w", encoding="ascii") as chain:
                chain.write(f"{config.certificate}\n{config.key}\n")
                chain.flush()
                context.load_cert_chain(f"/proc/self/fd/{chain.fileno()}")
    except ssl.SSLError as error:
        raise EnvironmentFault(f"the kubeconfig's CA, certificate or key is damaged: {_one_line(error)}") from None
    return context
