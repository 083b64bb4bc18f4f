"""Unpacking single files of a bundle."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from bundle.layout import Place
from bundle.manifest import Architecture, BundleManifest, FileKind
from bundle.pack import compress, describe, write_manifest
from bundle.unpack import unpack
from cluster.vocabulary.errors import EnvironmentFault
from tests.bundle.image_files import unpack_from_image


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


def test_the_error_has_the_missing_file(folder: Path, tmp_path: Path) -> None:
    """A program, and an image."""
    with pytest.raises(EnvironmentFault, match="has no kubelet"):
        unpack(folder, "kubelet", tmp_path / "kubelet")
    with pytest.raises(LookupError, match="has no image etcd"):
        unpack_from_image(folder, "etcd", "usr/local/bin/etcd", tmp_path / "etcd")


def test_compression_leaves_no_trace_of_time_or_name(tmp_path: Path) -> None:
    """The same content with another name and a later time gives the same file."""
    (tmp_path / "one").write_text("same")
    (tmp_path / "other").write_text("same")
    compress(tmp_path / "one", tmp_path / "one.gz")
    compress(tmp_path / "other", tmp_path / "other.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "other.gz").read_bytes()
