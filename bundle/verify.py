"""Verifies that a bundle's files match its manifest, and lists the files whose content a server chose."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle.faults import BundleFault
from bundle.gunzip import PIECE, DamagedContent, pieces
from bundle.manifest import BundleFile, BundleManifest, Encoding, FileKind
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.problems import Problem

_HINT = "Fetch or build the bundle again: correct files are kept"
_MEMBER = re.compile(r"oci-layout|index\.json|blobs|blobs/sha256|blobs/sha256/[0-9a-f]{64}")
_INDEX_LIMIT = 1 << 20


def verify_bundle(folder: Path, manifest: BundleManifest) -> None:
    """Compare size, sha256 and content of every file; BundleFault lists all missing and different files."""
    problems: list[Problem] = []
    for file in manifest.files:
        problems += _problems_of(folder, file)
    if problems:
        raise BundleFault(problems)


def unpinned_files(manifest: BundleManifest) -> tuple[str, ...]:
    """A line for each file whose digest was not known before a server was asked, with the origin of its digest."""
    lines = []
    for file in manifest.files:
        if file.origin is None:
            lines.append(f"not pinned: {file.kind} {file.name} {file.version}: this manifest does not say where its digest is from")
        elif not file.origin.pin.fixed:
            lines.append(f"not pinned: {file.kind} {file.name} {file.version}: its digest is from {file.origin.digest_from}")
    return tuple(lines)


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stored_path(folder: Path, file: BundleFile) -> Path:
    """The file in the bundle's folder. EnvironmentFault when it is a link to another folder, a pipe or a device, or missing."""
    path = folder / file.path
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise EnvironmentFault(f"{path} is not a file in the bundle's folder")
    return path


def content_of(folder: Path, file: BundleFile) -> Iterator[bytes]:
    """The decoded content, at most as many bytes as the manifest says; DamagedContent when there are more or the file cannot be decoded."""
    path = stored_path(folder, file)
    if file.encoding is Encoding.GZIP:
        yield from pieces(path, file.content_size)
        return
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece


def archive_index(folder: Path, file: BundleFile) -> dict[str, Any]:
    """The index of an image archive. ValueError when the archive has other members than an OCI image layout, or its index is damaged."""
    with tarfile.open(stored_path(folder, file), "r:") as archive:
        index: Any = None
        for member in archive:
            if not (member.isreg() or member.isdir()) or not _MEMBER.fullmatch(member.name):
                raise ValueError(f"has the member {member.name[:100]!r}, which is not part of an image")
            if member.name == "index.json":
                stream = archive.extractfile(member)
                if stream is None or member.size > _INDEX_LIMIT:
                    raise ValueError("has an index.json that is not a small file")
                index = json.loads(stream.read())
    if not isinstance(index, dict):
        raise ValueError("has no index.json")
    return index


def image_digests(folder: Path, file: BundleFile) -> dict[str, str]:
    """Reference -> digest of the images in an archive; ValueError when the archive is not an OCI image layout."""
    try:
        described = archive_index(folder, file)["manifests"]
        return {each["annotations"]["io.containerd.image.name"]: each["digest"] for each in described}
    except (KeyError, TypeError, AttributeError, RecursionError, tarfile.TarError) as error:
        raise ValueError(f"is not an image archive: {error!r}") from error


def _problems_of(folder: Path, file: BundleFile) -> Iterator[Problem]:
    try:
        path = stored_path(folder, file)
    except EnvironmentFault:
        yield Problem("bundle-file-missing", str(folder / file.path), "is not a file in the bundle's folder", _HINT)
        return
    size = path.stat().st_size
    if size != file.size:
        yield Problem("bundle-file-differs", str(path), f"has {size} bytes, expected {file.size}", _HINT)
        return
    digest = sha256_of(path)
    if digest != file.sha256:
        yield Problem("bundle-file-differs", str(path), f"has sha256 {digest}, expected {file.sha256}", _HINT)
        return
    if file.encoding is Encoding.GZIP:
        yield from _content_problems(folder, file)
    elif file.kind is FileKind.IMAGE:
        yield from _image_problems(folder, file)


def _content_problems(folder: Path, file: BundleFile) -> Iterator[Problem]:
    path, digest, size = str(folder / file.path), hashlib.sha256(), 0
    try:
        for piece in content_of(folder, file):
            digest.update(piece)
            size += len(piece)
    except DamagedContent as error:
        yield Problem("bundle-content-differs", path, f"cannot be decoded: {error}", _HINT)
        return
    if (digest.hexdigest(), size) != (file.content_sha256, file.content_size):
        message = f"decodes to {size} bytes with sha256 {digest.hexdigest()}, expected {file.content_size} and {file.content_sha256}"
        yield Problem("bundle-content-differs", path, message, _HINT)


def _image_problems(folder: Path, file: BundleFile) -> Iterator[Problem]:
    path = str(folder / file.path)
    try:
        found = set(image_digests(folder, file))
    except ValueError as error:
        yield Problem("bundle-content-differs", path, str(error), _HINT)
        return
    if found != set(file.images):
        message = f"has the images {', '.join(sorted(found)) or 'none'}, but the manifest names {', '.join(file.images)}"
        yield Problem("bundle-content-differs", path, message, _HINT)
