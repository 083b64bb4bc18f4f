"""The files of a copy, read back from its archive: any difference from the manifest is damage."""

from __future__ import annotations

import io

import pytest
import zstandard

from hosts.copy_contents import CopyContents, CopyDamaged
from tests.hosts.test_copy_archive import CLUSTER, SNAPSHOT, archive, printed

KEY = b"key\n"
WHOLE = archive(printed(("etcd-snapshot.db", SNAPSHOT), ("kubernetes/pki/ca.key", KEY), ("kubernetes/empty", b"")))


def read(packed: bytes) -> dict[str, bytes]:
    """All files of an archive."""
    return {file.name: file.content() for file in CopyContents(io.BytesIO(packed)).files()}


def test_every_file_comes_back_as_it_was() -> None:
    """The manifest is not one of them."""
    assert read(WHOLE) == {"etcd-snapshot.db": SNAPSHOT, "kubernetes/pki/ca.key": KEY, "kubernetes/empty": b"", "cluster.json": CLUSTER}


def test_a_file_that_nobody_reads_is_compared_too() -> None:
    """A snapshot has no place in memory."""
    contents = CopyContents(io.BytesIO(WHOLE))
    assert [file.name for file in contents.files()] == ["etcd-snapshot.db", "kubernetes/pki/ca.key", "kubernetes/empty", "cluster.json"]
    assert contents.manifest["cluster"] == "demo"


def repacked(change: bytes, by: bytes) -> bytes:
    """The archive with other bytes inside, compressed again."""
    tar = zstandard.ZstdDecompressor().stream_reader(WHOLE).read()
    assert change in tar
    return zstandard.ZstdCompressor().compress(tar.replace(change, by, 1))


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no archive",
        WHOLE[:100],
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:-1],
        repacked(KEY, b"KEY\n"),
        repacked(b"manifest.json", b"manifest.jsom"),
        repacked(b"kubernetes/empty", b"kubernetes/other"),
        zstandard.ZstdCompressor().compress(bytes(1024)),
    ],
)
def test_a_damaged_archive_is_refused(packed: bytes) -> None:
    """Cut, changed, or without its manifest."""
    with pytest.raises(CopyDamaged):
        read(packed)


def test_a_file_that_is_too_large_for_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is known before its content."""
    monkeypatch.setattr("hosts.copy_contents._LARGEST_FILE", 2)
    with pytest.raises(CopyDamaged, match="bytes"):
        read(WHOLE)
