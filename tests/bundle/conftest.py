"""A server on loopback with the layout of the published releases and registries."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bundle.archive import IMAGE_CONFIG, IMAGE_INDEX, IMAGE_MANIFEST
from bundle.layout import image_references
from bundle.manifest import Architecture
from bundle.sources import Sources, read_sources
from bundle.targets import CNI_PLUGINS, CONTAINERD_BINARIES, KUBERNETES_BINARIES
from cluster.vocabulary.releases import DEFAULT_RELEASE, KubernetesRelease

TOKEN = "a-token-that-the-realm-gave"
GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha256(content: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(content).hexdigest()


def tar_of(files: dict[str, bytes]) -> bytes:
    """A gzip-compressed tar file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


@dataclass
class Published:
    """The files of the server by path, and the requested paths. Tests change `files` and `faults`."""

    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)  # path -> (media type, content)
    faults: dict[str, list[int]] = field(default_factory=dict)  # path -> statuses to answer first; 0 breaks off in the middle
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # (path, Range)
    server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The URL of the server."""
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def sources(self) -> Sources:
        """The default sources with this server instead of all others. Nothing is pinned: the server has other content."""
        return read_sources().at(self.url).model_copy(update={"digests": {}, "checksums": {}})

    def put(self, path: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        """Serve a file."""
        self.files[path] = (media_type, content)

    def put_image(self, repository: str, tag: str, layers: dict[str, bytes]) -> None:
        """Serve an index of one image for each architecture (architecture -> layer)."""
        manifests = []
        for architecture, layer in layers.items():
            config = json.dumps({"architecture": architecture, "os": "linux"}).encode()
            manifest = json.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": IMAGE_MANIFEST,
                    "config": self._blob(repository, IMAGE_CONFIG, config),
                    "layers": [self._blob(repository, GZIP_LAYER, layer)],
                }
            ).encode()
            self.put(f"/v2/{repository}/manifests/sha256:{sha256(manifest)}", manifest, IMAGE_MANIFEST)
            manifests.append(
                {
                    "mediaType": IMAGE_MANIFEST,
                    "digest": f"sha256:{sha256(manifest)}",
                    "size": len(manifest),
                    "platform": {"os": "linux", "architecture": architecture},
                }
            )
        index = json.dumps({"schemaVersion": 2, "mediaType": IMAGE_INDEX, "manifests": manifests}).encode()
        self.put(f"/v2/{repository}/manifests/{tag}", index, IMAGE_INDEX)
        self.put(f"/v2/{repository}/manifests/sha256:{sha256(index)}", index, IMAGE_INDEX)

    def _blob(self, repository: str, media_type: str, content: bytes) -> dict[str, Any]:
        self.put(f"/v2/{repository}/blobs/sha256:{sha256(content)}", content)
        return {"mediaType": media_type, "digest": f"sha256:{sha256(content)}", "size": len(content)}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    published: Published

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.published.asked.append((self.path, self.headers.get("Range")))
        if path == "/token":
            self._answer(200, json.dumps({"token": TOKEN}).encode())
            return
        if path.startswith("/v2/") and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            realm = f'Bearer realm="{self.published.url}/token",service="test",scope="repository:{path.split("/")[2]}:pull"'
            self._answer(401, b"", {"WWW-Authenticate": realm})
            return
        if path not in self.published.files:
            self._answer(404, b"")
            return
        media_type, content = self.published.files[path]
        faults = self.published.faults.get(path, [])
        fault = faults.pop(0) if faults else None
        if fault:
            self._answer(fault, b"")
            return
        start = int(re.sub(r"\D", "", self.headers.get("Range", "0")))
        body = content[start:]
        headers = {"Content-Type": media_type}
        if "manifests" in path:
            headers["Docker-Content-Digest"] = f"sha256:{sha256(content)}"
        self._answer(206 if start else 200, body, headers, cut=fault == 0)

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut


@pytest.fixture
def published() -> Iterator[Published]:
    """Every release and image of the default release, for both architectures, small but with real digests."""
    there = Published()
    _put_all(there, DEFAULT_RELEASE)
    handler = type("Handler", (_Handler,), {"published": there})
    there.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    there.server.daemon_threads = True
    thread = threading.Thread(target=there.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield there
    there.server.shutdown()
    there.server.server_close()
    thread.join()


@pytest.fixture
def published_release(published: Published) -> Callable[[KubernetesRelease], None]:
    """A function that adds another release to the server."""
    return lambda release: _put_all(published, release)


def _put_all(there: Published, release: KubernetesRelease) -> None:
    for architecture in Architecture:
        _put_releases(there, release, architecture.value)
    for name, reference in image_references(release).items():
        repository, _, tag = reference.partition("/")[2].rpartition(":")
        there.put_image(repository, tag, {each.value: tar_of({name: f"{name} for {each}".encode()}) for each in Architecture})


def program(name: str, architecture: str) -> bytes:
    """The content of a program of the fixture: larger than a chunk, different for each program."""
    return f"{name} for {architecture}\n".encode() * 2000


def _put_releases(there: Published, release: KubernetesRelease, architecture: str) -> None:
    def with_checksum(path: str, content: bytes, ending: str, *, named: bool) -> None:
        there.put(path, content)
        name = path.rpartition("/")[2]
        there.put(path + ending, (f"{sha256(content)}  {name}\n" if named else sha256(content)).encode())

    for name in KUBERNETES_BINARIES:
        path = f"/release/v{release.kubernetes}/bin/linux/{architecture}/{name}"
        with_checksum(path, program(name, architecture), ".sha256", named=False)
    containerd = tar_of({f"bin/{name}": program(name, architecture) for name in CONTAINERD_BINARIES})
    path = f"/containerd/containerd/releases/download/v{release.containerd}/containerd-{release.containerd}-linux-{architecture}.tar.gz"
    with_checksum(path, containerd, ".sha256sum", named=True)
    plugins = tar_of({f"./{name}": program(name, architecture) for name in CNI_PLUGINS})
    path = (
        f"/containernetworking/plugins/releases/download/v{release.cni_plugins}/cni-plugins-linux-{architecture}-v{release.cni_plugins}.tgz"
    )
    with_checksum(path, plugins, ".sha256", named=True)
    folder = f"/opencontainers/runc/releases/download/v{release.runc}"
    there.put(f"{folder}/runc.{architecture}", program("runc", architecture))
    lines = [f"{sha256(program('runc', each.value))} *runc.{each}" for each in Architecture]
    there.put(f"{folder}/runc.sha256sum", "\n".join(lines).encode())
