"""A server on loopback that answers as it is told, over http or https: lies, redirects, bombs and endless bodies."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = Callable[[BaseHTTPRequestHandler], None]
MIB = 1 << 20


@dataclass
class UntrustedServer:
    """Answers by path. `asked` has the requested paths, `sent` the bytes of endless bodies."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    sent: int = 0

    def put(self, path: str, answer: Answer) -> str:
        """Answer requests for the path; returns the URL."""
        self.answers[path] = answer
        return self.url + path

    def endless(self, handler: BaseHTTPRequestHandler) -> None:
        """A body of zeros without an announced size, until the client leaves."""
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for _ in range(2000):
            try:
                handler.wfile.write(bytes(MIB))
            except OSError:
                return
            self.sent += MIB


def body(content: bytes, status: int = 200, **headers: str) -> Answer:
    """An answer with this body. Headers are given with `_` for `-`; Content_Length may lie."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(content))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Connection", "close")  # else the client may use the connection again while it is being closed
        handler.end_headers()
        try:
            handler.wfile.write(content)
        except OSError:
            return
        finally:
            handler.close_connection = True

    return answer


def redirect(target: str) -> Answer:
    """A redirect to another URL."""
    return body(b"", 302, Location=target)


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[UntrustedServer]:
    """A server; https when a PEM file with certificate and key is given."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.asked.append(self.path)
            server.answers.get(path, body(b"", 404))(self)

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """The client left: that is what the tests are about."""

    listener = Quiet(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    server = UntrustedServer(f"{'https' if certificate else 'http'}://127.0.0.1:{listener.server_address[1]}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def write_certificate(path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key in one PEM file, which is also its authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path
