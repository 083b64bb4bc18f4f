"""The manifest: reading, validation and queries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bundle.layout import image_references, places
from bundle.manifest import MANIFEST_NAME, Architecture, BundleFile, BundleManifest, Encoding, FileKind, read_manifest
from bundle.pack import describe, write_manifest
from bundle.verify import verify_bundle
from cluster.vocabulary.errors import EnvironmentFault, SpecError
from cluster.vocabulary.releases import DEFAULT_RELEASE

FLANNEL, CALICO = (
    {name: reference for name, reference in image_references(DEFAULT_RELEASE).items() if name.startswith(cni)}
    for cni in ("flannel", "calico")
)


@pytest.fixture
def manifest(tmp_path: Path) -> BundleManifest:
    """A manifest of every file of a bundle, and the files, in `tmp_path`."""
    files = []
    for path, place in places(DEFAULT_RELEASE).items():
        stored = tmp_path / path
        stored.parent.mkdir(parents=True, exist_ok=True)
        stored.write_text(f"content of {place.name}")
        files.append(describe(place, stored, stored))
    whole = BundleManifest(name="test", kubernetes_version="v1.36.3", architecture=Architecture.AMD64, files=tuple(files))
    write_manifest(tmp_path, whole)
    return whole


def changed(manifest: BundleManifest, index: int, **values: Any) -> dict[str, Any]:
    """The manifest as a document with changed fields of one file."""
    document = manifest.model_dump(mode="json")
    document["files"][index].update(values)
    return document


def test_a_manifest_survives_writing_and_reading(tmp_path: Path, manifest: BundleManifest) -> None:
    """A written manifest is read without a change."""
    assert read_manifest(tmp_path) == manifest


def test_an_untouched_bundle_verifies(tmp_path: Path, manifest: BundleManifest) -> None:
    """No problem is raised."""
    verify_bundle(tmp_path, manifest)


def test_every_bad_file_is_named_at_once(tmp_path: Path, manifest: BundleManifest) -> None:
    """A changed file, a truncated file, a missing file and a link to another folder are four problems."""
    (tmp_path / "bin/kubelet.gz").write_bytes(b"X" * (tmp_path / "bin/kubelet.gz").stat().st_size)
    (tmp_path / "bin/runc.gz").write_text("")
    (tmp_path / "images/etcd.tar").unlink()
    (tmp_path / "images/pause.tar").unlink()
    (tmp_path / "images/pause.tar").symlink_to("/etc/hostname")
    with pytest.raises(SpecError) as raised:
        verify_bundle(tmp_path, manifest)
    found = {Path(problem.path).relative_to(tmp_path).as_posix(): problem.code for problem in raised.value.problems}
    assert found == {
        "bin/kubelet.gz": "bundle-file-differs",
        "bin/runc.gz": "bundle-file-differs",
        "images/etcd.tar": "bundle-file-missing",
        "images/pause.tar": "bundle-file-missing",
    }


@pytest.mark.parametrize("path", ["../kubelet", "/etc/passwd", "bin/../../kubelet", "", ".", MANIFEST_NAME, "bin\\..\\kubelet"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, manifest: BundleManifest, path: str) -> None:
    """A manifest cannot refer to a file outside of the bundle."""
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(changed(manifest, 0, path=path)))
    with pytest.raises(SpecError, match="is not a path inside the bundle's folder"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("target", ["usr/local/bin/kubelet", "/usr/local/bin/../../../etc/shadow"])
def test_a_target_that_is_not_an_absolute_path_is_refused(tmp_path: Path, manifest: BundleManifest, target: str) -> None:
    """A target is an absolute path without `..`."""
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(changed(manifest, 0, target=target)))
    with pytest.raises(SpecError, match="is not an absolute path"):
        read_manifest(tmp_path)


def test_all_faults_of_a_manifest_are_reported(tmp_path: Path, manifest: BundleManifest) -> None:
    """A wrong digest, a wrong kind, an unknown role and an unknown field are reported together, with their paths."""
    document = changed(manifest, 0, sha256="abc", kind="binray", roles=["master"])
    document["more"] = 1
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(document))
    with pytest.raises(SpecError) as raised:
        read_manifest(tmp_path)
    found = {problem.path.removeprefix(f"{tmp_path / MANIFEST_NAME}/") for problem in raised.value.problems}
    assert found == {"files/0/sha256", "files/0/kind", "files/0/roles", "more"}


def test_a_target_named_twice_is_refused(tmp_path: Path, manifest: BundleManifest) -> None:
    """Two files with one target would overwrite each other."""
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(changed(manifest, 0, target=str(manifest.files[1].target))))
    with pytest.raises(SpecError, match="duplicate target"):
        read_manifest(tmp_path)


def test_invalid_json_is_a_problem(tmp_path: Path) -> None:
    """A truncated manifest is different from a missing one."""
    (tmp_path / MANIFEST_NAME).write_text('{"format": 1,')
    with pytest.raises(SpecError, match="is not JSON"):
        read_manifest(tmp_path)


def test_the_error_for_a_missing_manifest_has_a_remedy(tmp_path: Path) -> None:
    """The error has both commands."""
    with pytest.raises(EnvironmentFault, match="sixstack bundle fetch"):
        read_manifest(tmp_path)


def test_a_worker_gets_nothing_that_only_a_control_plane_runs(manifest: BundleManifest) -> None:
    """No kubectl, etcd, API server, controller manager and scheduler, but all other files."""
    worker = {file.name for file in manifest.for_host("worker", FLANNEL.values())}
    control_plane = {file.name for file in manifest.for_host("control-plane", FLANNEL.values())}
    assert control_plane - worker == {"kubectl", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert worker < control_plane


@pytest.mark.parametrize("images", [FLANNEL, CALICO])
def test_a_pod_network_goes_only_where_it_is_used(manifest: BundleManifest, images: dict[str, str]) -> None:
    """With another pod network, or with other images, the images of the bundle are not installed."""
    using = {file.name for file in manifest.for_host("worker", images.values())}
    without = {file.name for file in manifest.for_host("worker", ["registry.example.org/network:v1"])}
    assert using - without == set(images)
    assert not {name for name in without if name.startswith(("flannel", "calico"))}


def test_an_image_is_found_by_its_reference(manifest: BundleManifest) -> None:
    """The error for an unknown image has its reference."""
    assert manifest.image("registry.k8s.io/kube-proxy:v1.36.3").name == "kube-proxy"
    assert manifest.image(manifest.probe_image).name == "probe"
    with pytest.raises(EnvironmentFault, match=r"no image registry\.k8s\.io/kube-proxy:v1\.99\.0"):
        manifest.image("registry.k8s.io/kube-proxy:v1.99.0")


def test_a_file_that_contradicts_itself_is_refused() -> None:
    """Encoding `identity` with two different digests."""
    with pytest.raises(ValueError, match="digest and size"):
        BundleFile(
            path="bin/x",
            name="x",
            kind=FileKind.BINARY,
            version="1",
            sha256="0" * 64,
            size=1,
            encoding=Encoding.IDENTITY,
            content_sha256="1" * 64,
            content_size=1,
            target="/usr/local/bin/x",
        )
