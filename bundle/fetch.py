"""Creates a bundle from the published releases and verifies their checksums. An interrupted fetch is resumed."""

from __future__ import annotations

import fcntl
import shutil
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from bundle.archive import write_archive
from bundle.cache import cache_folder
from bundle.download import PAUSES, PROGRAM_LIMIT, Downloader, checksum_in, http_client
from bundle.faults import BundleFault
from bundle.gunzip import GZIP_ERRORS, BoundedGzip
from bundle.image_registry import pull
from bundle.layout import UNITS, Place, places, unit_origin
from bundle.manifest import MANIFEST_NAME, Architecture, BundleFile, BundleManifest, FileKind, Origin, Pin, read_manifest
from bundle.pack import compress, describe, write_manifest
from bundle.progress import Progress, on_stderr
from bundle.sources import Release, Sources, read_sources
from bundle.verify import unpinned_files, verify_bundle
from cluster.vocabulary.errors import EnvironmentFault, SixstackError
from cluster.vocabulary.releases import DEFAULT_RELEASE, KubernetesRelease

_CONCURRENCY = 4
# of a tar file with programs: Go programs compress to a third or less, headers and small files to a hundredth
_UNPACKED_LIMIT = 1 << 30
_RATIO = 32
_RATIO_SLACK = 16 << 20


def reachable(sources: Sources | None = None, timeout: float = 5.0) -> bool:
    """Whether every server of the sources answers within `timeout` seconds."""
    servers = (sources or read_sources()).servers
    answered: set[str] = set()

    def probe(server: str) -> None:
        try:
            if httpx.head(server, timeout=timeout).status_code < 500:
                answered.add(server)
        except httpx.HTTPError:
            return

    # daemon threads: a name server that never answers must not block the caller
    threads = [threading.Thread(target=probe, args=(server,), daemon=True) for server in servers]
    end = time.monotonic() + timeout
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return answered == set(servers)


def fetch_default_bundle(report: Callable[[str], None] = on_stderr) -> Path:
    """Fetch a bundle for this machine's architecture from the default sources into the cache folder, unless it exists."""
    architecture = Architecture.of_this_machine()
    return fetch_bundle(default_folder(architecture), architecture, read_sources(), report)


def default_folder(architecture: Architecture, release: KubernetesRelease = DEFAULT_RELEASE) -> Path:
    """The default folder of a fetched bundle."""
    return cache_folder() / "bundles" / f"v{release.kubernetes}-{architecture}"


def fetched_bundles() -> list[tuple[Path, BundleManifest]]:
    """The complete bundles in the cache folder, in the order of their paths."""
    found = []
    for folder in sorted(cache_folder().glob(f"bundles/*/{MANIFEST_NAME}")):
        with suppress(SixstackError):  # of another version of sixstack, or being written
            found.append((folder.parent, read_manifest(folder.parent)))
    return found


def fetch_bundle(
    folder: Path,
    architecture: Architecture,
    sources: Sources,
    report: Callable[[str], None] = on_stderr,
    *,
    release: KubernetesRelease = DEFAULT_RELEASE,
    pauses: tuple[float, ...] = PAUSES,
) -> Path:
    """Fetch a bundle into `folder` and return the folder. A complete bundle in the folder is verified and kept.

    BundleFault for invalid sources. EnvironmentFault when a source does not answer or has other content.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # on the same file system as the target, so that the finished folder is moved atomically
    work = folder.with_name(f".{folder.name}.fetching")
    with _locked(folder.with_name(f".{folder.name}.lock"), report):
        work.mkdir(exist_ok=True)
        fetch = _Fetch(folder, work, architecture, sources, release, pauses)
        if fetch.finished(report):
            report(f"{folder} is complete: nothing to fetch")
        else:
            fetch.run(report)
        shutil.rmtree(work)
    return folder


@contextmanager
def _locked(path: Path, report: Callable[[str], None]) -> Iterator[None]:
    """Allow one fetch into a folder at a time. The kernel releases the lock of a killed process."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"another fetch holds {path}: waiting until it ends")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class _Fetch:
    """The fetch of one bundle into a folder."""

    def __init__(
        self, folder: Path, work: Path, architecture: Architecture, sources: Sources, release: KubernetesRelease, pauses: tuple[float, ...]
    ) -> None:
        self.folder, self.work, self.architecture, self.sources = folder, work, architecture, sources
        self.places = tuple(places(release).values())
        self.release, self.pauses = release, pauses
        self.name = f"v{release.kubernetes}-{architecture}"

    def finished(self, report: Callable[[str], None]) -> bool:
        """Whether the folder has this bundle, with all files verified."""
        if not self.folder.exists():
            return False
        if not (self.folder / MANIFEST_NAME).exists() and any(self.folder.iterdir()):
            raise EnvironmentFault(f"{self.folder} has files but no {MANIFEST_NAME}: use another folder")
        try:
            manifest = read_manifest(self.folder)
            if (manifest.name, {file.path for file in manifest.files}) != (self.name, {place.path for place in self.places}):
                raise EnvironmentFault(f"{self.folder} has bundle {manifest.name}: use another folder for {self.name}")
            verify_bundle(self.folder, manifest)
        except BundleFault as error:
            report(f"{error}\nfetching the bundle again")
            return False
        return True

    def run(self, report: Callable[[str], None]) -> None:
        """Fetch every file, then move the folder into place."""
        progress = Progress(report, [_title(place) for place in self.places], "fetching")
        report(f"fetching bundle {self.name}: {len(self.places)} files from {', '.join(self.sources.servers)}")
        staged = self.work / "bundle"
        shutil.rmtree(staged, ignore_errors=True)
        with http_client() as client, progress.heartbeat():
            downloads = Downloader(self.work / "downloads", client, self.pauses)
            files = self._files(downloads, staged, progress)
        manifest = BundleManifest(
            name=self.name, kubernetes_version=f"v{self.release.kubernetes}", architecture=self.architecture, files=files
        )
        write_manifest(staged, manifest)
        if self.folder.exists():  # empty, or a damaged bundle of the same name
            shutil.rmtree(self.folder)
        staged.replace(self.folder)
        for line in unpinned_files(manifest):
            report(line)
        report(f"bundle ready: {self.folder} ({manifest.total_size // 1_000_000} MB)")

    def _files(self, downloads: Downloader, staged: Path, progress: Progress) -> tuple[BundleFile, ...]:
        pool = ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="fetch")
        releases = _Releases(self.sources, self.architecture, downloads)
        try:
            futures = [pool.submit(self._file, place, releases, downloads, staged, progress) for place in self.places]
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future.done():
                    future.result()
            return tuple(future.result() for future in futures)
        finally:
            pool.shutdown(cancel_futures=True)

    def _file(self, place: Place, releases: _Releases, downloads: Downloader, staged: Path, progress: Progress) -> BundleFile:
        with progress.part(_title(place)), tempfile.TemporaryDirectory(dir=self.work) as scratch:
            target = staged / place.path
            target.parent.mkdir(parents=True, exist_ok=True)
            if place.kind is FileKind.UNIT:
                shutil.copyfile(UNITS / place.name, target)
                return describe(place, target, target, unit_origin(place))
            if place.kind is FileKind.IMAGE:
                image, origin = pull(place.images[0], self.architecture, self.sources, downloads)
                write_archive(target, [image])
                return describe(place, target, target, origin)
            content, origin = releases.program(place, Path(scratch) / place.name)
            compress(content, target)
            return describe(place, target, content, origin)


class _Releases:
    """The published files of one architecture."""

    def __init__(self, sources: Sources, architecture: Architecture, downloads: Downloader) -> None:
        self.sources, self.architecture, self.downloads = sources, architecture, downloads

    def program(self, place: Place, scratch: Path) -> tuple[Path, Origin]:
        """Download one program. A program in a tar file is extracted to `scratch`."""
        name, release = self._release(place)
        values = {"version": place.version, "architecture": self.architecture.value, "name": place.name}
        url = release.url.format(**values)
        file = url.rpartition("/")[2]
        sha256 = self.sources.checksum(name, place.version, self.architecture.value, file)
        if sha256:
            origin = Origin(locations=(url,), pin=Pin.SOURCES, digest_from="the sources file")
        else:
            checksum = release.checksum.format(**values)
            sha256 = checksum_in(self.downloads.text(checksum), file, checksum)
            origin = Origin(locations=(url,), pin=Pin.CHECKSUM_FILE, digest_from=checksum)
        path = self.downloads.file(url, sha256, PROGRAM_LIMIT)
        return (path if release.member is None else _extract(path, release.member.format(**values), scratch, url)), origin

    def _release(self, place: Place) -> tuple[str, Release]:
        name = "cni-plugins" if place.kind is FileKind.CNI_PLUGIN else _RELEASE_OF.get(place.name, place.name)
        if name not in self.sources.releases:
            raise EnvironmentFault(f"the sources have no entry `{name}`, the release of {place.name}")
        return name, self.sources.releases[name]


_RELEASE_OF = {
    "kubelet": "kubernetes",
    "kubeadm": "kubernetes",
    "kubectl": "kubernetes",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
}


def _extract(archive: Path, member: str, target: Path, url: str) -> Path:
    """Extract one regular file of a gzip-compressed tar file. Links, devices and paths in the archive are never followed or created."""
    wanted = member.removeprefix("./")
    limit = min(_UNPACKED_LIMIT, _RATIO * archive.stat().st_size + _RATIO_SLACK)
    try:
        with BoundedGzip(archive, limit) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            entry = next((entry for entry in tar if entry.isreg() and entry.name.removeprefix("./") == wanted), None)
            content = tar.extractfile(entry) if entry is not None else None
            if entry is None or content is None:
                raise EnvironmentFault(f"{url} has no file {member}")
            if entry.size > PROGRAM_LIMIT:
                raise EnvironmentFault(f"{url}: {member} has {entry.size} bytes, at most {PROGRAM_LIMIT} are expected")
            with target.open("wb") as out:
                shutil.copyfileobj(content, out, 1 << 20)
    except (*GZIP_ERRORS, tarfile.TarError) as error:
        raise EnvironmentFault(f"{url} cannot be unpacked: {error or type(error).__name__}") from error
    return target


def _title(place: Place) -> str:
    return f"{place.kind} {place.name} {place.version}"
