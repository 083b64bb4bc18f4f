"""Verifies that a bundle's files match its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from bundle.faults import BundleFault
from bundle.manifest import BundleFile, BundleManifest
from cluster.vocabulary.problems import Problem


def verify_bundle(folder: Path, manifest: BundleManifest) -> None:
    """Compare size and sha256 of every file; BundleFault lists all missing and different files."""
    problems: list[Problem] = []
    for file in manifest.files:
        problems += _problems_of(folder, file)
    if problems:
        raise BundleFault(problems)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _problems_of(folder: Path, file: BundleFile) -> Iterator[Problem]:
    path = folder / file.path
    hint = "Fetch or build the bundle again: correct files are kept"
    # a symbolic link may point outside of the folder
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        yield Problem("bundle-file-missing", str(path), "is not a file in the bundle's folder", hint)
        return
    size = path.stat().st_size
    if size != file.size:
        yield Problem("bundle-file-differs", str(path), f"has {size} bytes, expected {file.size}", hint)
        return
    digest = sha256_of(path)
    if digest != file.sha256:
        yield Problem("bundle-file-differs", str(path), f"has sha256 {digest}, expected {file.sha256}", hint)
