"""A TLS server on loopback with a cluster's certificates, for what the client does before Kubernetes comes in."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cluster.vocabulary.errors import ApiUnavailable
from kube.client import ApiRefused, KubeApi, connect
from tests.bundle.image_files import unpack_from_image
from tests.conftest import AFTER_THE_API_SERVERS_TESTS


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def _name(text: str, organization: str = "system:masters") -> x509.Name:
    """A subject; its organization is the group that Kubernetes takes it for."""
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization), x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A cluster's CA."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._build(_name("kubernetes"), self._key).add_extension(x509.BasicConstraints(True, None), True)
        self._signed = self.certificate.sign(self._key, hashes.SHA256())
        self.pem = self._signed.public_bytes(serialization.Encoding.PEM)

    def issue(self, common_name: str, dns_name: str, ends_in: timedelta = timedelta(hours=1)) -> tuple[bytes, bytes]:
        """A certificate and its key, both PEM. Without a DNS name, it has no SANs."""
        key = ec.generate_private_key(ec.SECP256R1())
        # with the name of the authority alone, it would count as signed by itself
        unsigned = self._build(_name(common_name) if dns_name else _name(common_name, "demo"), key, ends_in)
        if dns_name:
            unsigned = unsigned.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns_name)]), False)
        signed = unsigned.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM), _pem(key)

    def _build(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends_in: timedelta = timedelta(hours=1)
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("kubernetes"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + ends_in)
        )


@dataclass
class TlsServer:
    """Answers each request with the next (status, body) of `answers`; the last one stays."""

    authority: Authority
    port: int = 0
    answers: list[tuple[int, object]] = field(default_factory=lambda: [(200, {"kind": "Answer"})])
    asked: list[tuple[str, str, Any]] = field(default_factory=list)  # method, path, body
    clients: list[str] = field(default_factory=list)  # common names of the client certificates
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def dial(self, host: str, port: int) -> socket.socket:
        """Reaches the server whatever the kubeconfig says its address is, as an SSH channel would."""
        self.dialled.append((host, port))
        return socket.create_connection(("127.0.0.1", self.port), timeout=None)

    def kubeconfig(self, authority: Authority | None = None) -> dict[str, Any]:
        """What kubeadm writes, for an address that only `dial` can reach."""
        certificate, key = self.authority.issue("kubernetes-admin", "client")

        def data(pem: bytes) -> str:
            return base64.b64encode(pem).decode()

        return {
            "current-context": "admin",
            "contexts": [{"name": "admin", "context": {"cluster": "demo", "user": "admin"}}],
            "clusters": [
                {
                    "name": "demo",
                    "cluster": {"server": "https://[fd66::11]:6443", "certificate-authority-data": data((authority or self.authority).pem)},
                }
            ],
            "users": [{"name": "admin", "user": {"client-certificate-data": data(certificate), "client-key-data": data(key)}}],
        }


@pytest.fixture
def authority() -> Authority:
    """Another cluster's CA."""
    return Authority()


@pytest.fixture
def serve_tls(tmp_path: Path) -> Iterator[Callable[..., TlsServer]]:
    """Starts a server whose certificate carries the given DNS name, and ends in the given time. Without one, its subject has the name."""
    stops: list[Callable[[], None]] = []

    def start(dns_name: str, ends_in: timedelta = timedelta(hours=1)) -> TlsServer:
        server = TlsServer(Authority())

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                server.asked.append((self.command, self.path, json.loads(body) if body else None))
                assert isinstance(self.connection, ssl.SSLSocket)
                subject = dict(pair[0] for pair in self.connection.getpeercert()["subject"])  # type: ignore[index, misc]
                server.clients.append(str(subject["commonName"]))
                status, document = server.answers[0]
                if len(server.answers) > 1:
                    server.answers.pop(0)
                data = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A refused handshake is what some tests are about."""

        certificate, key = server.authority.issue("kube-apiserver" if dns_name else "kubernetes", dns_name, ends_in)
        chain, roots = tmp_path / "server.pem", tmp_path / "ca.pem"
        chain.write_bytes(certificate + key)
        roots.write_bytes(server.authority.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        context.load_verify_locations(roots)
        context.verify_mode = ssl.CERT_REQUIRED
        listener = Quiet(("127.0.0.1", 0), Handler)
        listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
        server.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
        thread.start()

        def stop() -> None:
            listener.shutdown()
            thread.join()
            listener.server_close()

        stops.append(stop)
        return server

    yield start
    for stop in stops:
        stop()


@pytest.fixture
def tls_server(serve_tls: Callable[[str], TlsServer]) -> TlsServer:
    """A server that shows the name every kubeadm API server has."""
    return serve_tls("kubernetes")


@contextmanager
def shared_port() -> Iterator[int]:
    """A port that is kept while inside, by a socket that does not listen: for who shares it by SO_REUSEPORT and for nobody else."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


@pytest.fixture(scope="session")
def api(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """A real kube-apiserver with its etcd on loopback, out of the bundle's images: no kubelet, no controllers."""
    with ExitStack() as running:
        ports = (running.enter_context(shared_port()) for _ in range(3))
        server = running.enter_context(_api(bundle_folder, tmp_path_factory.mktemp("api-server"), *ports))
        AFTER_THE_API_SERVERS_TESTS.append(running.close)
        yield server


@contextmanager
def _api(bundle_folder: Path, folder: Path, port: int, store_port: int, peers_port: int) -> Iterator[KubeApi]:
    cluster = TlsServer(Authority(), port=port)
    certificate, key = cluster.authority.issue("kube-apiserver", "kubernetes")
    for name, content in {"ca.pem": cluster.authority.pem, "server.pem": certificate, "server.key": key}.items():
        (folder / name).write_bytes(content)
    store, peers = (f"http://127.0.0.1:{one}" for one in (store_port, peers_port))
    etcd: list[str | Path] = [
        *(
            unpack_from_image(bundle_folder, "etcd", "usr/local/bin/etcd", folder / "etcd"),
            "--unsafe-no-fsync",
            "--socket-reuse-port",
            "--data-dir",
            folder / "data",
        ),
        *(f"--listen-client-urls={store}", f"--advertise-client-urls={store}", f"--listen-peer-urls={peers}"),
    ]
    server: list[str | Path] = [
        unpack_from_image(bundle_folder, "kube-apiserver", "usr/local/bin/kube-apiserver", folder / "kube-apiserver"),
        *(
            f"--etcd-servers={store}",
            "--bind-address=127.0.0.1",
            f"--secure-port={cluster.port}",
            "--permit-port-sharing",
            "--authorization-mode=RBAC",
            "--allow-privileged",  # as kubeadm starts it: pods of network plug-ins
        ),
        *(f"--client-ca-file={folder}/ca.pem", f"--tls-cert-file={folder}/server.pem", f"--tls-private-key-file={folder}/server.key"),
        *("--service-account-issuer=https://kubernetes", "--service-cluster-ip-range=10.96.0.0/16,fd44:0:0:ffff::/112"),
        *(f"--service-account-key-file={folder}/server.key", f"--service-account-signing-key-file={folder}/server.key"),
    ]
    with ExitStack() as running:
        for name, command in {"etcd": etcd, "kube-apiserver": server}.items():
            log = running.enter_context((folder / f"{name}.log").open("w"))
            process = running.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            running.callback(process.kill)
        with connect(cluster.kubeconfig(), cluster.dial) as opened:
            _wait_for(opened, process, folder / "kube-apiserver.log")
            yield opened


def _wait_for(api: KubeApi, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 180
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            api.get("/readyz")
            return
        except (ApiUnavailable, ApiRefused):  # refused: RBAC's own rules are not there yet
            if time.monotonic() > end:
                raise
        time.sleep(0.2)
