"""Unpacking single files of a bundle."""

from __future__ import annotations

import gzip
from pathlib import Path, PurePosixPath

import pytest

from bundle.layout import Place
from bundle.manifest import Architecture, BundleManifest, FileKind
from bundle.pack import compress, describe, write_manifest
from bundle.unpack import unpack
from cluster.vocabulary.errors import EnvironmentFault
from tests.bundle.image_files import unpack_from_image
from tests.bundle.peak_memory import measured


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of one compressed program."""
    content = tmp_path / "content"
    content.write_text("#!/bin/sh\necho it runs\n")
    place = Place("runc", FileKind.BINARY, PurePosixPath("runc.gz"), "1", target=PurePosixPath("/usr/local/bin/runc"), mode=0o755)
    folder = tmp_path / "bundle"
    folder.mkdir()
    compress(content, folder / "runc.gz")
    file = describe(place, folder / "runc.gz", content)
    write_manifest(folder, BundleManifest(name="t", kubernetes_version="v1.0.0", architecture=Architecture.AMD64, files=(file,)))
    return folder


def test_an_unpacked_program_is_executable(folder: Path, tmp_path: Path) -> None:
    """The program is decoded, executable and in a new folder. A second call writes nothing."""
    target = unpack(folder, "runc", tmp_path / "bin" / "runc")
    assert target.read_text() == "#!/bin/sh\necho it runs\n"
    assert target.stat().st_mode & 0o777 == 0o755
    before = target.stat()
    assert unpack(folder, "runc", target).stat() == before


def test_a_damaged_program_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    """A file that does not match the manifest is removed."""
    (tmp_path / "other").write_text("something else")
    compress(tmp_path / "other", folder / "runc.gz")
    with pytest.raises(EnvironmentFault, match="is damaged"):
        unpack(folder, "runc", tmp_path / "runc")
    assert not (tmp_path / "runc").exists()


def test_a_program_that_decodes_to_more_than_the_manifest_says_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    """It stops at the size in the manifest: the disk is not filled. The old program stays, and no part of the new one."""
    with gzip.open(folder / "runc.gz", "wb") as out:
        for _ in range(300):
            out.write(bytes(1 << 20))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "runc").write_text("the old program")
    grown, outcome = measured("unpack", folder, tmp_path / "bin" / "runc")
    assert "is damaged" in outcome
    assert grown < 30
    assert [(path.name, path.read_text()) for path in (tmp_path / "bin").iterdir()] == [("runc", "the old program")]


def test_a_damaged_program_leaves_the_old_one(folder: Path, tmp_path: Path) -> None:
    """The digest is compared before the program gets its name."""
    (tmp_path / "runc").write_text("the old program")
    (tmp_path / "other").write_text("something else")
    compress(tmp_path / "other", folder / "runc.gz")
    with pytest.raises(EnvironmentFault, match="is damaged"):
        unpack(folder, "runc", tmp_path / "runc")
    assert (tmp_path / "runc").read_text() == "the old program"


def test_the_error_has_the_missing_file(folder: Path, tmp_path: Path) -> None:
    """A program, and an image."""
    with pytest.raises(EnvironmentFault, match="has no kubelet"):
        unpack(folder, "kubelet", tmp_path / "kubelet")
    with pytest.raises(EnvironmentFault, match="has no image etcd"):
        unpack_from_image(folder, "etcd", "usr/local/bin/etcd", tmp_path / "etcd")


def test_compression_leaves_no_trace_of_time_or_name(tmp_path: Path) -> None:
    """The same content with another name and a later time gives the same file."""
    (tmp_path / "one").write_text("same")
    (tmp_path / "other").write_text("same")
    compress(tmp_path / "one", tmp_path / "one.gz")
    compress(tmp_path / "other", tmp_path / "other.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "other.gz").read_bytes()
