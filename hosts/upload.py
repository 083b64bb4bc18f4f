"""Upload of the artifact bundle: all files of one kind in one stream, so that many small files cost no round trips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from bundle.manifest import PROBE, BundleFile
from bundle.verify import stored_path
from cluster.vocabulary.errors import Bug, EnvironmentFault, HostError, StepFailed
from hosts.session import Output, Shell
from templates import render

Progress = Callable[[int, int], None]  # bytes sent so far, bytes of all

# fits into one SSH packet of OpenSSH's 32 KiB, less paramiko's allowance for the header: such a piece is never copied
_PIECE = 32768 - 64
_SLOWEST = 200_000  # bytes a second: a link slower than this is treated as broken
_KEEP = 1_000_000  # characters of the output's end that an error holds
_NO_SPACE = 28  # exit code of our scripts when a file system is too full
_SLACK_KIB = 64 * 1024  # kept free: a host does not work with a full file system
_IMPORT_RATE = 2_000_000  # bytes a second: a host that unpacks images slower than this is treated as stuck


def upload_files(session: Shell, folder: Path, files: Sequence[BundleFile], on_progress: Progress | None = None) -> tuple[str, ...]:
    """Install files on the host in order; returns one phrase for each file, and one for each file of the owner that is replaced.

    The host checks the sha256 of each file as sent and moves the file into place atomically. A marker in /var/lib/sixstack/bundle then shows
    the file to the facts. An interruption leaves complete files with markers, and nothing of the file in transit. StepFailed has the reason.
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
                "content_size": file.content_size,
                "target": str(file.target),
            }
        )
    # folders may share one file system, so each must have space for all files
    kib = sum(file.content_size for file in files) // 1024 + _SLACK_KIB
    folders = {str(file.target.parent): kib for file in files if file.target is not None}
    script = render("step/upload.sh.j2", files=described, folders=folders)
    size = sum(file.size for file in files)
    output = session.feed(script, _stream(folder, files, on_progress), limit=_limit_for(size))
    _judge(session, "upload of the bundle's files", output)
    kept = (line.removeprefix("kept ") for line in output.stdout.splitlines() if line.startswith("kept "))
    return (
        *(f"installed {file.name} {file.version} as {file.target}" for file in files),
        *(f"kept the owner's {path} for the delete" for path in kept),
    )


def import_images(session: Shell, folder: Path, files: Sequence[BundleFile], on_progress: Progress | None = None) -> tuple[str, ...]:
    """Stream image archives into the host's containerd; returns one phrase for each archive.

    The host checks the sha256 of each archive in transit, and containerd checks the digests of its blobs. An image of a damaged archive is
    removed again. StepFailed has the reason.
    """
    if not files:
        return ()
    described = [
        # containerd unpacks an image at the first start of a container at the latest; the network check may never start one here
        {"size": file.size, "encoding": file.encoding.value, "sha256": file.sha256, "images": file.images, "unpack": file.name != PROBE}
        for file in files
    ]
    content = sum(file.content_size for file in files)
    # containerd keeps the blobs and the unpacked files
    script = render("step/import-images.sh.j2", files=described, kib=3 * content // 1024 + _SLACK_KIB)
    size = sum(file.size for file in files)
    limit = _limit_for(size) + _limit_for(content) * (_SLOWEST / _IMPORT_RATE)
    output = session.feed(script, _stream(folder, files, on_progress), limit=limit)
    _judge(session, "import of images", output)
    return tuple(f"imported {', '.join(file.images)}" for file in files)


def _stream(folder: Path, files: Sequence[BundleFile], on_progress: Progress | None) -> Iterator[bytes]:
    total, sent = sum(file.size for file in files), 0
    for file in files:
        yield from _pieces(stored_path(folder, file))
        sent += file.size
        if on_progress is not None:
            on_progress(sent, total)


def _limit_for(size: int) -> timedelta:
    """The time limit for an upload of `size` bytes."""
    return timedelta(seconds=60 + size / _SLOWEST)


def _pieces(source: Path) -> Iterator[bytes]:
    """The file in packets; EnvironmentFault when it cannot be read."""
    try:
        with source.open("rb", buffering=_PIECE * 32) as stream:
            while piece := stream.read(_PIECE):
                yield piece
    except OSError as error:
        raise EnvironmentFault(f"{source} cannot be read: {error.strerror}") from None


def _judge(session: Shell, what: str, output: Output) -> None:
    if output.ok:
        return
    printed = output.stderr.strip()[-500:] or f"exit code {output.exit_code}"
    if output.exit_code == _NO_SPACE:
        raise HostError(session.host, f"not enough disk space for the {what}: {printed}", "Free disk space on the host.")
    raise StepFailed(
        session.host, f"the {what} failed: {printed}", "", exit_code=output.exit_code, output=(output.stdout + output.stderr)[-_KEEP:]
    )
