"""Downloads from servers that lie about sizes, send without end, or lead away from https."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle import download
from bundle.archive import IMAGE_CONFIG, IMAGE_MANIFEST
from bundle.download import DOCUMENT_LIMIT, Downloader, http_client
from bundle.fetch import _extract
from bundle.image_registry import pull
from bundle.manifest import Architecture, Pin
from bundle.sources import Sources
from cluster.vocabulary.errors import EnvironmentFault
from tests.bundle.peak_memory import measured
from tests.bundle.untrusted_server import MIB, UntrustedServer, body, redirect, serving, write_certificate

CONTENT = b"a published program\n" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of 127.0.0.1."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def plain() -> Iterator[UntrustedServer]:
    """A server without TLS."""
    with serving() as server:
        yield server


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UntrustedServer]:
    """A server with a certificate that the client accepts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as server:
        yield server


@pytest.fixture
def downloads(secure: UntrustedServer, tmp_path: Path) -> Iterator[Downloader]:  # noqa: ARG001  # the client reads SSL_CERT_FILE
    """A downloader that retries once without a pause."""
    with http_client() as client:
        yield Downloader(tmp_path / "downloads", client, (0.0,))


def stored(downloads: Downloader) -> list[str]:
    """The names of all files in the folder of downloads."""
    return sorted(path.name for path in downloads.folder.iterdir()) if downloads.folder.exists() else []


def test_a_redirect_from_https_to_http_is_refused(secure: UntrustedServer, plain: UntrustedServer, downloads: Downloader) -> None:
    """For files and for documents; the http server is not asked."""
    plain.put("/kubelet", body(CONTENT))
    secure.put("/kubelet", redirect(f"{plain.url}/kubelet"))
    with pytest.raises(EnvironmentFault, match="refers to http://"):
        downloads.file(f"{secure.url}/kubelet", DIGEST, MIB)
    with pytest.raises(EnvironmentFault, match="refers to http://"):
        downloads.text(f"{secure.url}/kubelet")
    assert plain.asked == []


def test_a_second_redirect_to_http_is_refused(secure: UntrustedServer, plain: UntrustedServer, downloads: Downloader) -> None:
    """Each redirect is compared, not only the first."""
    secure.put("/kubelet", redirect("/moved"))
    secure.put("/moved", redirect(f"{plain.url}/kubelet"))
    with pytest.raises(EnvironmentFault, match="refers to http://"):
        downloads.text(f"{secure.url}/kubelet")
    assert plain.asked == []


def test_a_redirect_within_https_is_followed(secure: UntrustedServer, plain: UntrustedServer, downloads: Downloader) -> None:
    """Published releases redirect to another server. From http, https is a gain."""
    secure.put("/kubelet", redirect("/moved"))
    secure.put("/moved", body(CONTENT))
    plain.put("/kubelet", redirect(f"{secure.url}/moved"))
    assert downloads.file(f"{secure.url}/kubelet", DIGEST, MIB).read_bytes() == CONTENT
    assert downloads.document(f"{plain.url}/kubelet").content == CONTENT


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "https://[::1", "/loop"])
def test_a_redirect_to_nowhere_is_an_error(secure: UntrustedServer, downloads: Downloader, target: str) -> None:
    """Other protocols, invalid addresses and loops."""
    secure.put("/loop", redirect(target))
    with pytest.raises(EnvironmentFault, match="/loop"):
        downloads.text(f"{secure.url}/loop")


def test_a_token_is_not_requested_over_http_for_a_registry_with_https(
    secure: UntrustedServer, plain: UntrustedServer, downloads: Downloader
) -> None:
    """The realm in a 401 answer is chosen by the server as well."""
    secure.put("/v2/pause/manifests/1", body(b"", 401, WWW_Authenticate=f'Bearer realm="{plain.url}/token",service="x"'))
    sources = Sources(releases={}, registries={"registry.example": secure.url})
    with pytest.raises(EnvironmentFault, match="refers to http://"):
        pull("registry.example/pause:1", Architecture.AMD64, sources, downloads)
    assert plain.asked == []


def test_a_compressed_document_is_refused(secure: UntrustedServer, downloads: Downloader) -> None:
    """Nobody asked for it, and 4 MiB could decode to 4 GiB."""
    secure.put("/sum", body(gzip.compress(DIGEST.encode()), Content_Encoding="gzip"))
    with pytest.raises(EnvironmentFault, match="encoding gzip"):
        downloads.text(f"{secure.url}/sum")


def test_an_endless_document_ends_at_its_limit(plain: UntrustedServer, downloads: Downloader) -> None:
    """A checksum file without end; one attempt, because another would end in the same way."""
    plain.put("/sum", plain.endless)
    with pytest.raises(EnvironmentFault, match=f"more than the {DOCUMENT_LIMIT} bytes"):
        downloads.text(f"{plain.url}/sum")
    assert plain.asked == ["/sum"]
    assert plain.sent < 4 * DOCUMENT_LIMIT


def test_an_endless_file_ends_at_its_limit_and_leaves_nothing(plain: UntrustedServer, downloads: Downloader) -> None:
    """No file under its name, and no partial file that a later fetch would continue."""
    plain.put("/kubelet", plain.endless)
    with pytest.raises(EnvironmentFault, match="more than the 8388608 bytes"):
        downloads.file(f"{plain.url}/kubelet", DIGEST, 8 * MIB)
    assert stored(downloads) == []
    assert plain.sent < 64 * MIB


@pytest.mark.parametrize("size", ["8388609", "300000000", "9" * 5000])
def test_a_size_above_the_limit_is_refused_before_a_byte_is_written(plain: UntrustedServer, downloads: Downloader, size: str) -> None:
    """The announced size is enough."""
    plain.put("/kubelet", body(CONTENT, Content_Length=size))
    with pytest.raises(EnvironmentFault, match=r"announces \d+ bytes|kubelet"):
        downloads.file(f"{plain.url}/kubelet", DIGEST, 8 * MIB)
    assert stored(downloads) == []


def test_a_body_shorter_than_announced_is_not_used(plain: UntrustedServer, downloads: Downloader) -> None:
    """The connection ends early each time: the part is kept for the next fetch, under another name."""
    plain.put("/kubelet", body(CONTENT[:100], Content_Length=str(len(CONTENT))))
    with pytest.raises(EnvironmentFault, match="/kubelet"):
        downloads.file(f"{plain.url}/kubelet", DIGEST, MIB)
    assert stored(downloads) in ([], [f"{DIGEST}.partial"])


def test_a_body_longer_than_announced_is_cut_and_refused(plain: UntrustedServer, downloads: Downloader) -> None:
    """Only the announced bytes count, and their digest is another."""
    plain.put("/kubelet", body(CONTENT, Content_Length="100"))
    with pytest.raises(EnvironmentFault, match="sha256 is"):
        downloads.file(f"{plain.url}/kubelet", DIGEST, MIB)
    assert stored(downloads) == []


def test_another_file_is_downloaded_twice_at_most(plain: UntrustedServer, tmp_path: Path) -> None:
    """A whole file with another digest is not a lost connection."""
    plain.put("/kubelet", body(b"not what was published"))
    with http_client() as client, pytest.raises(EnvironmentFault, match=r"sha256 is .*downloaded 2 times"):
        Downloader(tmp_path, client, (0.0,) * 5).file(f"{plain.url}/kubelet", DIGEST, MIB)
    assert plain.asked == ["/kubelet"] * 2
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_a_server_starts_in_the_middle_is_refused(plain: UntrustedServer, downloads: Downloader) -> None:
    """An answer of 206 to a request without a range is compared as the whole file."""
    plain.put("/kubelet", body(CONTENT[100:], 206))
    with pytest.raises(EnvironmentFault, match="sha256 is"):
        downloads.file(f"{plain.url}/kubelet", DIGEST, MIB)


def test_a_server_that_sends_too_slowly_is_left(plain: UntrustedServer, downloads: Downloader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time for the socket, but the file would take days."""
    monkeypatch.setattr(download, "_GRACE", 0.2)

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        for _ in range(200):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
            plain.sent += 1
            time.sleep(0.05)

    plain.put("/kubelet", drip)
    with pytest.raises(EnvironmentFault, match=r"sent only \d+ bytes"):
        downloads.file(f"{plain.url}/kubelet", DIGEST, MIB)
    assert plain.sent < 100


class TestImages:
    """Registries."""

    @staticmethod
    def put(server: UntrustedServer, *, layer_size: int | None = None, config_size: int | None = None, layers: int = 1) -> Sources:
        """An image whose descriptors have the given sizes; returns sources with the server."""
        config, layer = json.dumps({"architecture": "amd64"}).encode(), CONTENT

        def descriptor(content: bytes, size: Any) -> dict[str, Any]:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            server.put(f"/v2/pause/blobs/{digest}", body(content))
            return {"mediaType": IMAGE_CONFIG, "digest": digest, "size": len(content) if size is None else size}

        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE_MANIFEST,
            "config": descriptor(config, config_size),
            "layers": [descriptor(layer, layer_size)] * layers,
        }
        server.put("/v2/pause/manifests/1", body(json.dumps(manifest).encode(), Content_Type=IMAGE_MANIFEST))
        return Sources(releases={}, registries={"registry.example": server.url})

    def test_an_image_with_true_sizes_is_pulled(self, plain: UntrustedServer, downloads: Downloader) -> None:
        """And its origin says that the tag decided."""
        image, origin = pull("registry.example/pause:1", Architecture.AMD64, self.put(plain), downloads)
        assert image.blobs[1].size == len(CONTENT)
        assert origin.pin is Pin.TAG
        assert origin.digest_from == f"tag 1 at {plain.url}"

    @pytest.mark.parametrize("size", [-1, 10, 1 << 40, 10**6, "20000", None, True, 2e4])
    def test_a_layer_with_another_size_is_refused(self, plain: UntrustedServer, downloads: Downloader, size: Any) -> None:
        """The size in the descriptor bounds the download, and the file must have exactly that size."""
        sources = self.put(plain, layer_size="none" if size is None else size)  # type: ignore[arg-type]
        with pytest.raises(EnvironmentFault):
            pull("registry.example/pause:1", Architecture.AMD64, sources, downloads)

    def test_a_huge_configuration_is_not_read(self, plain: UntrustedServer, downloads: Downloader) -> None:
        """It would be read into memory."""
        sources = self.put(plain, config_size=DOCUMENT_LIMIT + 1)
        with pytest.raises(EnvironmentFault, match="at most 4194304"):
            pull("registry.example/pause:1", Architecture.AMD64, sources, downloads)
        assert not [path for path in plain.asked if "blobs" in path]

    def test_too_many_layers_are_refused(self, plain: UntrustedServer, downloads: Downloader) -> None:
        """No file system of a host could stack them."""
        with pytest.raises(EnvironmentFault, match="128 layers"):
            pull("registry.example/pause:1", Architecture.AMD64, self.put(plain, layers=128), downloads)

    def test_a_deeply_nested_manifest_is_refused(self, plain: UntrustedServer, downloads: Downloader) -> None:
        """The parser's stack has an end."""
        sources = self.put(plain)
        plain.put("/v2/pause/manifests/1", body(b"[" * 200_000, Content_Type=IMAGE_MANIFEST))
        with pytest.raises(EnvironmentFault, match="not an image"):
            pull("registry.example/pause:1", Architecture.AMD64, sources, downloads)


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    """A compressed tar file."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    """A link in a tar file."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def bomb(path: Path, name: str, size: int, kind: bytes = tarfile.REGTYPE) -> Path:
    """A compressed tar file with one member of zeros."""
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    with gzip.open(path, "wb", 6) as out:
        out.write(member.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size // MIB):
            out.write(bytes(MIB))
    return path


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_an_archive_is_not_followed(tmp_path: Path, kind: bytes) -> None:
    """Only a regular file is extracted, and the link is not created."""
    path = archive(tmp_path / "a.tgz", link("bin/ctr", "/etc/shadow", kind))
    with pytest.raises(EnvironmentFault, match="has no file bin/ctr"):
        _extract(path, "bin/ctr", tmp_path / "ctr", "URL")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tgz"]


def test_a_path_out_of_an_archive_is_not_used(tmp_path: Path) -> None:
    """The file goes where we say, whatever else the archive has."""
    others = [(tarfile.TarInfo(name), b"evil") for name in ("../ctr", "/tmp/ctr", "bin/../ctr")]
    path = archive(tmp_path / "a.tgz", *others, link("bin", "/etc", tarfile.SYMTYPE), (tarfile.TarInfo("./bin/ctr"), b"good"))
    assert _extract(path, "bin/ctr", tmp_path / "ctr", "URL").read_bytes() == b"good"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tgz", "ctr"]


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda _: b"no archive", lambda _: b"", lambda _: gzip.compress(b"no tar")],
    ids=["cut", "text", "empty", "gzip of text"],
)  # fmt: skip
def test_a_damaged_archive_is_an_error(tmp_path: Path, damage: Any) -> None:
    """The error names the URL, whatever the tar and gzip modules raise."""
    path = archive(
        tmp_path / "a.tgz", (tarfile.TarInfo("x"), bytes(range(256)) * 40), (tarfile.TarInfo("bin/ctr"), bytes(range(256)) * 400)
    )
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(EnvironmentFault, match=r"https://server\.example/a"):
        _extract(path, "bin/ctr", tmp_path / "ctr", "https://server.example/a")


@pytest.mark.parametrize("mode", ["w:xz", "w:bz2", "w"])
def test_only_gzip_is_unpacked(tmp_path: Path, mode: str) -> None:
    """Other formats need more memory, and nobody publishes them here."""
    path = archive(tmp_path / "a.tgz", (tarfile.TarInfo("bin/ctr"), b"x"), mode=mode)
    with pytest.raises(EnvironmentFault, match="cannot be unpacked"):
        _extract(path, "bin/ctr", tmp_path / "ctr", "URL")


@pytest.mark.parametrize("mode", ["w:xz", "w:bz2", "w:gz"])
def test_an_archive_is_decoded_once(tmp_path: Path, mode: str) -> None:
    """Another compressed file inside of the gzip file would be decoded without a limit."""
    path = archive(tmp_path / "a.tgz", (tarfile.TarInfo("bin/ctr"), b"x"), mode=mode)
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(EnvironmentFault, match="cannot be unpacked"):
        _extract(path, "bin/ctr", tmp_path / "ctr", "URL")


def test_a_compressed_answer_takes_no_memory(plain: UntrustedServer, tmp_path: Path) -> None:
    """400 MB of zeros as an answer of 400 KB."""
    plain.put("/sum", body(gzip.compress(bytes(400 * MIB), 6), Content_Encoding="gzip"))
    grown, outcome = measured("text", f"{plain.url}/sum", tmp_path)
    assert outcome.startswith("refused: ")
    assert grown < 30


def test_an_endless_file_takes_no_memory(plain: UntrustedServer, tmp_path: Path) -> None:
    """256 MB arrive before the limit."""
    plain.put("/kubelet", plain.endless)
    grown, outcome = measured("file", f"{plain.url}/kubelet", tmp_path)
    assert "more than the 268435456 bytes" in outcome
    assert grown < 30
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [("bin/ctr", tarfile.REGTYPE), ("other", tarfile.REGTYPE), ("bin/ctr", tarfile.XHDTYPE), ("bin/ctr", tarfile.GNUTYPE_LONGNAME)],
    ids=["program", "other file", "pax header", "long name"],
)
def test_an_archive_that_decodes_to_too_much_is_refused(tmp_path: Path, name: str, kind: bytes) -> None:
    """200 MB of zeros in 200 KB: as the program, as a file before it, and as a header that tar files read into memory."""
    path = bomb(tmp_path / "a.tgz", name, 200 * MIB, kind)
    assert path.stat().st_size < MIB
    grown, outcome = measured("extract", path, tmp_path / "ctr")
    assert "cannot be unpacked" in outcome
    assert grown < 60
