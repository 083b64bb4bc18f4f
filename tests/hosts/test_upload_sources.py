"""The files that an upload reads on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle.manifest import BundleFile, Encoding, FileKind
from cluster.vocabulary.errors import EnvironmentFault
from hosts.upload import _stream


def file_named(path: str) -> BundleFile:
    """An entry of a manifest."""
    return BundleFile(
        path=path, name="runc", kind=FileKind.BINARY, version="1", sha256="0" * 64, size=1, encoding=Encoding.IDENTITY,
        content_sha256="0" * 64, content_size=1, target="/usr/local/bin/runc", mode=0o755,
    )  # fmt: skip


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo, Path.mkdir], ids=["link", "pipe", "folder"])
def test_nothing_outside_of_the_bundle_is_sent_to_a_host(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A link would send a file of the worker, and a pipe would never end."""
    make(tmp_path / "runc")
    with pytest.raises(EnvironmentFault, match="is not a file in the bundle's folder"):
        list(_stream(tmp_path, [file_named("runc")], None))


def test_a_file_of_the_bundle_is_sent(tmp_path: Path) -> None:
    """As it is stored; a link within the folder is one."""
    (tmp_path / "stored").write_bytes(b"x")
    (tmp_path / "runc").symlink_to("stored")
    assert b"".join(_stream(tmp_path, [file_named("runc")], None)) == b"x"
