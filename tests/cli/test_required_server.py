"""A command that needs the Prefect server finds out within seconds that there is none."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from demo.local_prefect import SIXSTACK

COMMAND = [*SIXSTACK, "audit", "demo"]


def audit(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """`sixstack audit demo` in a folder without prefect.toml; "" names no server."""
    mine = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    environment = {**mine, "HOME": str(folder), "PREFECT_HOME": str(folder / "prefect"), **({"PREFECT_API_URL": url} if url else {})}
    return subprocess.run(COMMAND, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_no_server_that_is_named_is_3(tmp_path: Path) -> None:
    """Prefect does not start one of its own in the user's home, and what to do is told."""
    done = audit(tmp_path, "")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "PREFECT_API_URL" in done.stderr
    assert not (tmp_path / "prefect" / "prefect.db").exists()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"], ids=["silence", "another-server"])
def test_a_server_that_is_silent_or_another_is_3(tmp_path: Path, answer: bytes) -> None:
    """Something listens at the URL, and is no Prefect server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        start = time.monotonic()
        if answer:
            import threading

            def serve() -> None:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
        done = audit(tmp_path, url)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"the Prefect server at {url} cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - start < 90  # with Prefect's own limits and retries it would be minutes
    assert (f"waiting for an answer of the Prefect server at {url}" in done.stderr) is (not answer)


class AnswersHealthAlone(BaseHTTPRequestHandler):
    """In place of a Prefect server whose password is another one: the health check needs none."""

    def do_GET(self) -> None:
        """200 for the health check, 401 for all else."""
        healthy = self.path == "/api/health"
        body = b"true" if healthy else b'{"exception_message":"Unauthorized"}'
        self.send_response(200 if healthy else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@contextmanager
def refusing_server() -> Iterator[str]:
    """Its API's URL."""
    server = HTTPServer(("127.0.0.1", 0), AnswersHealthAlone)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_server_that_refuses_the_password_is_3(tmp_path: Path) -> None:
    """Where the password is told, and what a password was sent is not."""
    with refusing_server() as url:
        done = audit(tmp_path, url)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"the Prefect server at {url} refuses the password" in done.stderr
    assert "PREFECT_API_AUTH_STRING" in done.stderr
    assert "Traceback" not in done.stderr
