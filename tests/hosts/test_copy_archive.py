"""The archive of a host's files: a tar file with a manifest, from a stream that must be complete and well-formed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import zstandard

from cluster.vocabulary.copies import CopySource, EtcdCopy
from cluster.vocabulary.errors import StepFailed
from hosts.copy_archive import HostCopy
from hosts.output_stream import OutputEnded

DATABASE = bytes(range(256)) * 3000
SNAPSHOT = DATABASE + hashlib.sha256(DATABASE).digest()
CLUSTER = b'{"name": "demo"}'
SOURCE = CopySource(
    cluster="demo",
    host="a",
    kubernetes_version="v1.35.0",
    flow_run="run",
    created=datetime(2026, 11, 26, tzinfo=UTC),
    etcd=EtcdCopy.SNAPSHOT,
)


class Printed:
    """What a host printed, as a stream."""

    def __init__(self, printed: bytes) -> None:
        self._left = io.BytesIO(printed)

    def piece(self, size: int) -> bytes:
        """At most 1000 bytes at once."""
        return self._left.read(min(size, 1000)) or _ended()

    def line(self, most: int) -> str:
        """The next line."""
        line = self._left.readline(most)
        return line[:-1].decode(errors="surrogateescape") if line.endswith(b"\n") else _ended()


def _ended() -> Any:
    raise OutputEnded


def printed(*files: tuple[str, bytes], etcd: str = "snapshot", end: str | None = None) -> bytes:
    """The answer of a host with these files."""
    parts = [f"file {len(content)} {name}\n".encode(errors="surrogateescape") + content for name, content in files]
    taken = "snapshot 3.6.6 1234" if etcd == "snapshot" else "snapshot"
    return (
        f"kubernetes v1.35.0\netcd {etcd}\n{taken}\n".encode() + b"".join(parts) + (f"end {len(files)}\n" if end is None else end).encode()
    )


def archive(answer: bytes, at_end: Callable[[], None] = lambda: None) -> bytes:
    """The archive of an answer."""
    return b"".join(HostCopy("a", Printed(answer)).archive(SOURCE, at_end, CLUSTER))


def unpacked(packed: bytes) -> dict[str, bytes]:
    """The files of an archive, by name."""
    tar = zstandard.ZstdDecompressor().stream_reader(packed).read()
    with tarfile.open(fileobj=io.BytesIO(tar)) as members:
        assert {member.mode for member in members} == {0o600}
        return {member.name: content.read() for member in members if (content := members.extractfile(member)) is not None}


def test_every_file_is_in_the_archive_and_in_its_manifest() -> None:
    """With size and digest; an empty file, an odd name and a name of 300 characters too."""
    files = {
        "etcd-snapshot.db": SNAPSHOT,
        "kubernetes/pki/ca.key": b"key",
        "kubernetes/empty": b"",
        "kubernetes/a name/é$(x)": b"\xff\n",
        "kubernetes/" + "x" * 300: b"long",
        "kubernetes/..data": b"dots",
        "kubernetes/latin-\udce9": b"surrogate",
    }
    found = unpacked(archive(printed(*files.items())))
    manifest = json.loads(found.pop("manifest.json"))
    files["cluster.json"] = CLUSTER
    assert found == files
    assert manifest["files"] == {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    assert (manifest["cluster"], manifest["host"], manifest["kubernetes_version"], manifest["etcd"]) == ("demo", "a", "v1.35.0", "snapshot")
    assert manifest["created"].startswith("2026-11-26T00:00:00")


def test_what_a_copy_has_of_etcd_is_known_before_its_files_are_read() -> None:
    """With the reason for a copy of the data directory; control characters of the host are gone."""
    copy = HostCopy("a", Printed(printed(("etcd-data/x", b""), etcd="data etcd does not\x1b[31m answer")))
    assert (copy.etcd, copy.kubernetes_version, copy.empty) == (EtcdCopy.DATA, "v1.35.0", False)
    assert (copy.etcd_version, copy.revision) == ("", None)
    taken = HostCopy("a", Printed(printed(("etcd-snapshot.db", SNAPSHOT))))
    assert (taken.etcd_version, taken.revision) == ("3.6.6", 1234)
    assert "\x1b" not in copy.etcd_reason
    assert copy.etcd_reason.startswith("etcd does not")
    assert HostCopy("a", Printed(printed(etcd="none"))).empty


@pytest.mark.parametrize("length", [0, 10, 31, len(SNAPSHOT) - 1])
def test_a_snapshot_whose_content_differs_from_its_digest_is_refused(length: int) -> None:
    """etcd writes the sha256 of the content at the end of a snapshot."""
    with pytest.raises(StepFailed, match="digest"):
        archive(printed(("etcd-snapshot.db", SNAPSHOT[:length])))
    with pytest.raises(StepFailed, match="digest"):
        archive(printed(("etcd-snapshot.db", b"x" + SNAPSHOT[1:])))


@pytest.mark.parametrize(
    "answer",
    [
        b"etcd none\nend 0\n",
        b"kubernetes v1\netcd whatever\nsnapshot\nend 0\n",
        b"kubernetes v1\netcd none\nend 0\n",
        b"kubernetes v1\netcd none\nsnapshot 3.6.6 many\nend 0\n",
        printed(("a", b"x"), end="end 2\n"),
        printed(("a", b"x"), end="file x b\n"),
        printed(("a", b"x"), ("a", b"x")),
        printed(("/etc/passwd", b"x")),
        printed(("a/../../b", b"x")),
        printed(("..", b"x")),
        printed(("a//b", b"x")),
        printed(("manifest.json", b"x")),
        printed(("a\x07", b"x")),
    ],
)
def test_a_malformed_answer_is_refused(answer: bytes) -> None:
    """Also a name that would leave the folder of the person who unpacks the archive."""
    with pytest.raises(StepFailed):
        archive(answer)


WHOLE = printed(("kubernetes/a", b"12345"), ("kubernetes/b", b"67890"))


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_an_answer_that_ends_early_makes_no_archive(length: int) -> None:
    """Wherever it ends."""
    with pytest.raises(OutputEnded):
        archive(WHOLE[:length])


def test_the_archive_ends_only_after_the_script_succeeded() -> None:
    """A script that fails after its last line has no complete archive."""

    def failed() -> None:
        raise StepFailed("a", "exit code 1", "")

    pieces: list[bytes] = []

    def collect(stream: Iterator[bytes]) -> None:
        pieces.extend(stream)

    with pytest.raises(StepFailed, match="exit code 1"):
        collect(HostCopy("a", Printed(WHOLE)).archive(SOURCE, failed, CLUSTER))
    with pytest.raises((tarfile.ReadError, KeyError)):
        assert unpacked(b"".join(pieces))["manifest.json"]
