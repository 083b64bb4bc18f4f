"""Fetching a bundle from a server with the published layout, with a registry at /v2/."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bundle.faults import BundleFault
from bundle.fetch import fetch_bundle, reachable
from bundle.layout import image_references
from bundle.manifest import Architecture, BundleManifest, FileKind, Origin, Pin, read_manifest
from bundle.sources import DEFAULT_SOURCES, Sources, read_sources
from bundle.targets import KUBERNETES_BINARIES
from bundle.unpack import unpack
from bundle.verify import verify_bundle
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.releases import DEFAULT_RELEASE, RELEASES, KubernetesRelease
from tests.bundle.conftest import sha256
from tests.bundle.image_files import unpack_from_image

KUBELET = f"/release/v{DEFAULT_RELEASE.kubernetes}/bin/linux/amd64/kubelet"


def fetch(folder: Path, sources: Sources, architecture: Architecture = Architecture.AMD64) -> tuple[BundleManifest, list[str]]:
    """The manifest of the fetched bundle, and the reported lines. Retries do not wait."""
    said: list[str] = []
    fetch_bundle(folder, architecture, sources, said.append, pauses=(0.0, 0.0, 0.0))
    return read_manifest(folder), said


@pytest.mark.parametrize("architecture", list(Architecture))
def test_a_fetched_bundle_is_whole(published: Any, tmp_path: Path, architecture: Architecture) -> None:
    """The bundle has every program and image of the requested architecture, and all files match the manifest."""
    manifest, _ = fetch(tmp_path / "bundle", published.sources, architecture)

    verify_bundle(tmp_path / "bundle", manifest)
    assert manifest.architecture is architecture
    assert set(manifest.images) == set(image_references(DEFAULT_RELEASE).values())
    kubelet = next(file for file in manifest.files if file.name == "kubelet")
    content = gzip.decompress((tmp_path / "bundle" / kubelet.path).read_bytes())
    assert content == published.files[KUBELET.replace("amd64", architecture.value)][1]
    runc = unpack(tmp_path / "bundle", "runc", tmp_path / "runc")
    assert runc.read_bytes().startswith(f"runc for {architecture}".encode())
    plugin = unpack(tmp_path / "bundle", "host-local", tmp_path / "host-local")
    assert plugin.read_bytes().startswith(f"host-local for {architecture}".encode())
    inside = unpack_from_image(tmp_path / "bundle", "coredns", "coredns", tmp_path / "coredns")
    assert inside.read_text() == f"coredns for {architecture}"


def test_an_archive_names_its_image_for_containerd(published: Any, tmp_path: Path) -> None:
    """The index of an archive has the full reference and refers to blobs in the archive."""
    manifest, _ = fetch(tmp_path / "bundle", published.sources)
    for reference in manifest.images:
        with tarfile.open(tmp_path / "bundle" / manifest.image(reference).path) as archive:
            stream = archive.extractfile("index.json")
            assert stream is not None
            described = json.load(stream)["manifests"][0]
            assert described["annotations"]["io.containerd.image.name"] == reference
            assert f"blobs/{described['digest'].replace(':', '/')}" in archive.getnames()


def test_a_second_fetch_asks_nothing(published: Any, tmp_path: Path) -> None:
    """A complete bundle is verified and kept."""
    fetch(tmp_path / "bundle", published.sources)
    published.asked.clear()
    _, said = fetch(tmp_path / "bundle", published.sources)
    assert published.asked == []
    assert said == [f"{tmp_path / 'bundle'} is complete: nothing to fetch"]


def test_a_damaged_bundle_is_fetched_again(published: Any, tmp_path: Path) -> None:
    """A changed file is detected, reported and replaced."""
    manifest, _ = fetch(tmp_path / "bundle", published.sources)
    harmed = tmp_path / "bundle" / "bin" / "kubeadm.gz"
    harmed.write_bytes(b"x" * harmed.stat().st_size)
    _, said = fetch(tmp_path / "bundle", published.sources)
    assert str(harmed) in said[0]
    verify_bundle(tmp_path / "bundle", manifest)


def test_the_same_releases_make_the_same_bundle(published: Any, tmp_path: Path) -> None:
    """Two fetches give the same manifest, digests of archives included."""
    one, _ = fetch(tmp_path / "one", published.sources)
    other, _ = fetch(tmp_path / "other", published.sources)
    assert one == other


def test_a_file_with_another_checksum_is_refused(published: Any, tmp_path: Path) -> None:
    """The error has the URL and both digests, and no bundle is created."""
    published.put(KUBELET, b"not what was published")
    with pytest.raises(EnvironmentFault, match=rf"{KUBELET}: sha256 .*[0-9a-f]{{64}}.*[0-9a-f]{{64}}"):
        fetch(tmp_path / "bundle", published.sources)
    assert not (tmp_path / "bundle").exists()


def test_a_layer_with_another_digest_is_refused(published: Any, tmp_path: Path) -> None:
    """A registry that serves other content for a digest is detected."""
    # the first blob is the configuration, which the test's images share
    _, path, *_ = (path for path in published.files if path.startswith("/v2/kube-proxy/blobs/"))
    published.put(path, b"not this layer")
    with pytest.raises(EnvironmentFault, match=rf"{path}: sha256"):
        fetch(tmp_path / "bundle", published.sources, Architecture.AMD64)


def test_a_manifest_with_another_digest_is_refused(published: Any, tmp_path: Path) -> None:
    """The served manifest must have the digest in the index."""
    path = next(path for path in published.files if path.startswith("/v2/pause/manifests/sha256:"))
    media_type, content = published.files[path]
    published.put(path, content + b" ", media_type)
    with pytest.raises(EnvironmentFault, match=rf"{path}: digest .*sha256:\w+.* sha256:"):
        fetch(tmp_path / "bundle", published.sources)


def test_a_pinned_digest_wins_over_the_tag(published: Any, tmp_path: Path) -> None:
    """With a digest in the sources the tag is not requested, and an unknown digest is an error."""
    reference = image_references(DEFAULT_RELEASE)["pause"]
    pinned = published.sources.model_copy(update={"digests": {reference: "sha256:" + "0" * 64}})
    with pytest.raises(EnvironmentFault, match=r"manifests/sha256:0{64}: .*404"):
        fetch(tmp_path / "bundle", pinned)
    assert not any(path.endswith(f"/pause/manifests/{DEFAULT_RELEASE.pause}") for path, _ in published.asked)


def test_a_fetch_names_what_is_not_pinned(published: Any, tmp_path: Path) -> None:
    """Every program with the address of its checksum file, every image with its tag; the units are files of this repository."""
    manifest, said = fetch(tmp_path / "bundle", published.sources)
    unpinned = [line for line in said if line.startswith("not pinned: ")]
    assert len(unpinned) == len([file for file in manifest.files if file.kind is not FileKind.UNIT])
    assert f"not pinned: binary kubelet {DEFAULT_RELEASE.kubernetes}: its digest is from {published.url}{KUBELET}.sha256" in unpinned
    assert {file.origin.pin for file in manifest.files if file.origin} == {Pin.CHECKSUM_FILE, Pin.TAG, Pin.CHECKOUT}


def test_a_pinned_program_is_compared_with_the_sources(published: Any, tmp_path: Path) -> None:
    """The checksum file is not requested: a server that forges both the program and its checksum is detected."""
    pinned = {"kubernetes": {DEFAULT_RELEASE.kubernetes: {"amd64": {"kubelet": sha256(published.files[KUBELET][1])}}}}
    sources = published.sources.model_copy(update={"checksums": pinned})
    manifest, said = fetch(tmp_path / "bundle", sources)
    assert f"{KUBELET}.sha256" not in [path for path, _ in published.asked]
    origin = next(file.origin for file in manifest.files if file.name == "kubelet")
    assert origin == Origin(locations=(f"{published.url}{KUBELET}",), pin=Pin.SOURCES, digest_from="the sources file")
    assert not [line for line in said if "binary kubelet" in line and "not pinned" in line]

    published.put(KUBELET, b"forged")
    published.put(f"{KUBELET}.sha256", sha256(b"forged").encode())
    with pytest.raises(EnvironmentFault, match=rf"{KUBELET}: sha256"):
        fetch(tmp_path / "other", sources)
    assert not (tmp_path / "other").exists()


def test_the_default_sources_pin_the_programs_of_the_default_release() -> None:
    """Every file of both architectures, and four images; the rest is reported by each fetch."""
    sources, release = read_sources(), DEFAULT_RELEASE
    for architecture in Architecture:
        for name in KUBERNETES_BINARIES:
            assert sources.checksum("kubernetes", release.kubernetes, architecture, name)
        assert sources.checksum(
            "containerd", release.containerd, architecture, f"containerd-{release.containerd}-linux-{architecture}.tar.gz"
        )
        assert sources.checksum("runc", release.runc, architecture, f"runc.{architecture}")
        file = f"cni-plugins-linux-{architecture}-v{release.cni_plugins}.tgz"
        assert sources.checksum("cni-plugins", release.cni_plugins, architecture, file)
    assert {"pause", "etcd", "coredns"} <= {name for name, reference in image_references(release).items() if reference in sources.digests}
    known = {reference for each in RELEASES for reference in image_references(each).values()}
    assert set(sources.digests) <= known  # a digest of an image that no release has would never be compared


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + "0" * 64, "0" * 64, 5])
def test_a_digest_that_is_none_is_a_problem_of_the_sources(tmp_path: Path, digest: Any) -> None:
    """It would never match."""
    document = yaml.safe_load(DEFAULT_SOURCES.read_text()) | {"digests": {"registry.k8s.io/pause:3.10.2": digest}}
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(BundleFault, match=r"digests/registry\.k8s\.io/pause:3\.10\.2"):
        read_sources(tmp_path / "sources.yaml")


def test_temporary_errors_are_retried(published: Any, tmp_path: Path) -> None:
    """After an overload and a server error, the fetch continues."""
    published.faults[KUBELET] = [503, 500]
    manifest, _ = fetch(tmp_path / "bundle", published.sources)
    verify_bundle(tmp_path / "bundle", manifest)
    assert [path for path, _ in published.asked].count(KUBELET) == 3


def test_an_interrupted_download_is_resumed(published: Any, tmp_path: Path) -> None:
    """After half of a file, only the other half is requested."""
    published.faults[KUBELET] = [0]
    manifest, _ = fetch(tmp_path / "bundle", published.sources)
    verify_bundle(tmp_path / "bundle", manifest)
    size = len(published.files[KUBELET][1])
    assert [ranges for path, ranges in published.asked if path == KUBELET] == [None, f"bytes={size // 2}-"]


def test_a_fetch_that_failed_keeps_what_it_has(published: Any, tmp_path: Path) -> None:
    """The next fetch requests no complete file again."""
    _, path, *_ = (path for path in published.files if path.startswith("/v2/etcd/blobs/"))
    whole = published.files.pop(path)
    with pytest.raises(EnvironmentFault, match="404"):
        fetch(tmp_path / "bundle", published.sources)
    published.files[path] = whole
    published.asked.clear()
    manifest, _ = fetch(tmp_path / "bundle", published.sources)
    verify_bundle(tmp_path / "bundle", manifest)
    assert KUBELET not in [path for path, _ in published.asked]


def test_a_tar_file_is_downloaded_once_for_all_its_programs(published: Any, tmp_path: Path) -> None:
    """Eight plug-ins are in one file."""
    fetch(tmp_path / "bundle", published.sources)
    assert len([path for path, _ in published.asked if path.endswith(".tgz")]) == 1


def test_files_of_somebody_else_are_left_alone(published: Any, tmp_path: Path) -> None:
    """A folder with other files is refused."""
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(EnvironmentFault, match=r"no manifest\.json"):
        fetch(tmp_path, published.sources)
    assert (tmp_path / "mine").read_text() == "precious"


def test_an_image_for_another_architecture_only_is_refused(published: Any, tmp_path: Path) -> None:
    """The error names the image and the architecture."""
    reference = image_references(DEFAULT_RELEASE)["pause"]
    published.put_image("pause", DEFAULT_RELEASE.pause, {"arm64": b"layer"})
    with pytest.raises(EnvironmentFault, match=rf"{reference} is not published for linux/amd64"):
        fetch(tmp_path / "bundle", published.sources)


def test_an_answer_that_is_not_an_image_is_an_error(published: Any, tmp_path: Path) -> None:
    """A registry may answer with any content."""
    published.put(f"/v2/pause/manifests/{DEFAULT_RELEASE.pause}", b"[]", "application/vnd.oci.image.index.v1+json")
    with pytest.raises(EnvironmentFault, match=r"registry\.k8s\.io/pause:\S+ .*not an image"):
        fetch(tmp_path / "bundle", published.sources)


def test_an_unknown_placeholder_is_a_problem_of_the_sources(tmp_path: Path) -> None:
    """The problem has the path, and is reported before the fetch."""
    text = DEFAULT_SOURCES.read_text().replace("runc.{architecture}", "runc.{machine}")
    (tmp_path / "sources.yaml").write_text(text)
    with pytest.raises(BundleFault, match=r"releases/runc/url: .*placeholder"):
        read_sources(tmp_path / "sources.yaml")


def test_reachable_means_every_server_answers(published: Any) -> None:
    """With one server that refuses connections, the sources are not reachable."""
    assert reachable(published.sources, timeout=5)
    elsewhere = published.sources.model_copy(update={"registries": {"registry.k8s.io": "http://127.0.0.1:9"}})
    assert not reachable(elsewhere, timeout=5)


def test_another_release_is_fetched_whole(published: Any, published_release: Callable[[KubernetesRelease], None], tmp_path: Path) -> None:
    """Every file has the version in the table of releases. A folder with one release refuses another release."""
    release = RELEASES[0]
    published_release(release)
    fetch_bundle(tmp_path / "bundle", Architecture.AMD64, published.sources, lambda _: None, release=release)
    manifest = read_manifest(tmp_path / "bundle")
    verify_bundle(tmp_path / "bundle", manifest)
    assert (manifest.name, manifest.kubernetes_version) == (f"v{release.kubernetes}-amd64", f"v{release.kubernetes}")
    assert set(manifest.images) == set(image_references(release).values())
    with pytest.raises(EnvironmentFault, match=f"bundle v{release.kubernetes}-amd64"):
        fetch(tmp_path / "bundle", published.sources)
