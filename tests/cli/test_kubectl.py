"""`sixstack kubectl` and `sixstack kubeconfig --to` leave no admin key on disk, whatever ends them. kubectl and the Prefect server are real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from bundle.unpack import unpack
from cli.own_kubeconfig import write_private
from demo.local_prefect import SIXSTACK
from tests.conftest import Workplace

KEY = "canary-of-an-admin-token"
CLUSTER = "in-memory"


class ApiServer(ThreadingHTTPServer):
    """Answers nothing: kubectl waits for it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)  # once for each request
        super().__init__(("127.0.0.1", 0), _Request)


class _Request(BaseHTTPRequestHandler):
    server: ApiServer

    def do_GET(self) -> None:
        """One request."""
        self.server.asked.release()
        self.rfile.read()  # until kubectl ends

    def log_message(self, *_: object) -> None:
        """No lines in the output of the tests."""


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """The API server of the cluster."""
    with ApiServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def place(prefect_server: Workplace, bundle_folder: Path, api: ApiServer) -> Iterator[Workplace]:
    """A saved kubeconfig with the key; it is removed, as other tests list all clusters."""
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server_port}"}}],
        "users": [{"name": "u", "user": {"token": KEY}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    saved = prefect_server.python("-m", "tests.cli.save_given_kubeconfig", CLUSTER, feed=yaml.safe_dump(kubeconfig))
    assert saved.returncode == 0, saved.stdout + saved.stderr
    unpack(bundle_folder, "kubectl", prefect_server.prefect.state / "bin" / "kubectl")
    yield prefect_server
    prefect_server.remove_block(f"saved-kubeconfig/{CLUSTER}")


def environment(place: Workplace, folder: Path) -> dict[str, str]:
    """With every folder for temporary files and for kubectl's caches in `folder`."""
    own = {name: str(folder) for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")}
    kubectl = str(place.prefect.state / "bin" / "kubectl")
    return place.prefect.environment() | own | {"SIXSTACK_KUBECTL": kubectl, "PREFECT_HOME": str(place.prefect.state / "prefect")}


def with_key(*folders: Path) -> list[Path]:
    """The files below these folders that contain the key."""
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


@pytest.mark.bundle
@pytest.mark.server
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda end: end.name)
def test_no_file_has_the_key_before_or_after_a_signal(place: Workplace, api: ApiServer, tmp_path: Path, end: signal.Signals) -> None:
    """While kubectl waits for the API server, and once `sixstack` was killed."""
    process = subprocess.Popen(
        # env: the children of a shell's background job ignore SIGINT, those of nohup SIGHUP
        ["env", "--default-signal=INT,HUP", *SIXSTACK, "kubectl", CLUSTER, "--", "get", "--raw", "/api/v1/nodes"],
        cwd=place.prefect.root,
        env=environment(place, tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert api.asked.acquire(timeout=60)  # kubectl has read the kubeconfig
        during = with_key(tmp_path, place.prefect.root)
        process.send_signal(end)
        if end is signal.SIGINT:  # `sixstack` waits for kubectl, which gets the terminal's signal too
            os.killpg(process.pid, end)
        process.wait(30)
        assert with_key(tmp_path, place.prefect.root) == during == []
    finally:
        with contextlib.suppress(ProcessLookupError):  # kubectl ended too
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.bundle
@pytest.mark.server
def test_kubectl_reads_the_kubeconfig_and_cannot_change_it(place: Workplace, tmp_path: Path) -> None:
    """It wants a lock file beside it, and there is no such folder."""
    found = [
        subprocess.run(
            [*SIXSTACK, "kubectl", CLUSTER, "--", "config", *words],
            cwd=place.prefect.root,
            env=environment(place, tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        for words in (["current-context"], ["set-context", "x", "--namespace=other"])
    ]
    assert (found[0].returncode, found[0].stdout) == (0, f"{CLUSTER}\n")
    assert found[1].returncode == 1
    assert ".lock" in found[1].stderr


def test_what_a_killed_command_left_beside_the_file_is_replaced(tmp_path: Path) -> None:
    """By the next command with the same target, whose file has mode 0600."""
    (tmp_path / ".admin.conf.sixstack-new").write_text("half of a k")
    write_private("text", tmp_path / "admin.conf")
    assert [(path.name, path.read_text(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("admin.conf", "text", 0o600)]
