"""The artifact bundle onto a host: all files of one kind in one stream, so that many small ones cost no round trips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bundle.manifest import PROBE, BundleFile
from cluster.vocabulary.errors import Bug, HostError, StepFailed
from hosts.files import NO_SPACE, limit_for, pieces
from hosts.session import Output, Session
from templates import render

Progress = Callable[[int, int], None]  # bytes sent so far, bytes of all

_SLACK_KIB = 64 * 1024  # a file system that is full to the last block is of no use to the host
_IMPORT_RATE = 2_000_000  # bytes a second: a host slower than this at unpacking images is taken for stuck


def upload_files(session: Session, folder: Path, files: Sequence[BundleFile], on_progress: Progress | None = None) -> tuple[str, ...]:
    """Install files on the host, in order; what was done, one phrase a file.

    Each is checked on the host (sha256 of what is sent) and moved into place atomically; its marker in /var/lib/sixstack/bundle then tells
    facts that it is there. A break leaves whole files with markers, and nothing of the one that was under way. StepFailed says what failed.
    """
    if not files:
        return ()
    described = []
    for file in files:
        if file.target is None:
            raise Bug(f"bundle file {file.path} has no target: images go through import_images")
        described.append(
            {
                "size": file.size,
                "encoding": file.encoding.value,
                "mode": f"{file.mode:04o}",
                "sha256": file.sha256,
                "content_sha256": file.content_sha256,
                "target": str(file.target),
            }
        )
    # folders may share one file system, so each must have room for all
    kib = sum(file.content_size for file in files) // 1024 + _SLACK_KIB
    folders = {str(file.target.parent): kib for file in files if file.target is not None}
    script = render("step/upload.sh.j2", files=described, folders=folders)
    size = sum(file.size for file in files)
    output = session.feed(script, _stream(folder, files, on_progress), limit=limit_for(size))
    _judge(session, "upload of the bundle's files", output)
    return tuple(f"installed {file.name} {file.version} as {file.target}" for file in files)


def import_images(session: Session, folder: Path, files: Sequence[BundleFile], on_progress: Progress | None = None) -> tuple[str, ...]:
    """Stream image archives into the host's containerd; what was done, one phrase an archive.

    Each archive's sha256 is checked on the host on the way (and its blobs' digests by containerd); an image whose archive was not as it
    should be is removed again. StepFailed says what failed.
    """
    if not files:
        return ()
    described = [
        # containerd unpacks an image that is not unpacked when its first container starts; the network check's may never start here
        {"size": file.size, "encoding": file.encoding.value, "sha256": file.sha256, "images": file.images, "unpack": file.name != PROBE}
        for file in files
    ]
    content = sum(file.content_size for file in files)
    # containerd keeps the blobs, and next to them what it unpacks
    script = render("step/import-images.sh.j2", files=described, kib=3 * content // 1024 + _SLACK_KIB)
    size = sum(file.size for file in files)
    limit = limit_for(size) + limit_for(content) * (200_000 / _IMPORT_RATE)
    output = session.feed(script, _stream(folder, files, on_progress), limit=limit)
    _judge(session, "import of images", output)
    return tuple(f"imported {', '.join(file.images)}" for file in files)


def _stream(folder: Path, files: Sequence[BundleFile], on_progress: Progress | None) -> Iterator[bytes]:
    total, sent = sum(file.size for file in files), 0
    for file in files:
        yield from pieces(folder / file.path)
        sent += file.size
        if on_progress is not None:
            on_progress(sent, total)


def _judge(session: Session, what: str, output: Output) -> None:
    if output.ok:
        return
    said = output.stderr.strip()[-500:] or f"exit code {output.exit_code}"
    if output.exit_code == NO_SPACE:
        raise HostError(session.host, f"too little room for the {what}: {said}", "Make room on the host.")
    raise StepFailed(session.host, f"the {what} failed: {said}", "", exit_code=output.exit_code, output=output.stdout + output.stderr)
