"""The manifest: reading, validation and queries."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bundle.archive import IMAGE_CONFIG, IMAGE_MANIFEST, ArchivedImage, Blob, write_archive
from bundle.layout import image_references, places
from bundle.manifest import MANIFEST_NAME, Architecture, BundleFile, BundleManifest, Encoding, FileKind, Origin, Pin, read_manifest
from bundle.pack import compress, describe, write_manifest
from bundle.verify import stored_path, unpinned_files, verify_bundle
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
        content = stored
        if place.kind is FileKind.IMAGE:
            config = Blob.of_json(IMAGE_CONFIG, {"name": place.name})
            write_archive(stored, [ArchivedImage(place.images[0], Blob.of_json(IMAGE_MANIFEST, {"config": config.descriptor}), (config,))])
        elif place.kind is FileKind.UNIT:
            stored.write_text(f"content of {place.name}")
        else:
            content = tmp_path / "content"
            content.write_text(f"content of {place.name}")
            compress(content, stored)
        files.append(describe(place, stored, content))
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


def replaced(folder: Path, manifest: BundleManifest, name: str, stored: bytes, **values: Any) -> BundleManifest:
    """The manifest after one stored file was replaced and its digest changed accordingly."""
    file = next(file for file in manifest.files if file.name == name)
    (folder / file.path).write_bytes(stored)
    values = {"sha256": hashlib.sha256(stored).hexdigest(), "size": len(stored)} | values
    return manifest.model_copy(update={"files": tuple(each.model_copy(update=values) if each is file else each for each in manifest.files)})


def content_problems(folder: Path, manifest: BundleManifest) -> list[tuple[str, str]]:
    """(path, code) of the problems of the files."""
    with pytest.raises(SpecError) as raised:
        verify_bundle(folder, manifest)
    return [(Path(problem.path).relative_to(folder).as_posix(), problem.code) for problem in raised.value.problems]


@pytest.mark.parametrize(
    "stored", [gzip.compress(b"other content"), gzip.compress(bytes(100_000_000)), b"not gzip", gzip.compress(b"cut")[:-6]],
    ids=["other", "bomb", "text", "cut"],
)  # fmt: skip
def test_a_file_that_decodes_to_something_else_is_reported(tmp_path: Path, manifest: BundleManifest, stored: bytes) -> None:
    """A manifest whose digest of the stored file is right may lie about the content."""
    changed_manifest = replaced(tmp_path, manifest, "kubelet", stored)
    assert content_problems(tmp_path, changed_manifest) == [("bin/kubelet.gz", "bundle-content-differs")]


def test_an_archive_with_more_images_than_the_manifest_names_is_reported(tmp_path: Path, manifest: BundleManifest) -> None:
    """Containerd imports every image of an archive, also one with the name of another file's image."""
    config = Blob.of_json(IMAGE_CONFIG, {})
    document = Blob.of_json(IMAGE_MANIFEST, {"config": config.descriptor})
    references = ("registry.k8s.io/pause:3.10.2", "registry.k8s.io/kube-apiserver:v1.36.3")
    write_archive(tmp_path / "more.tar", [ArchivedImage(reference, document, (config,)) for reference in references])
    changed_manifest = replaced(tmp_path, manifest, "pause", (tmp_path / "more.tar").read_bytes())
    assert content_problems(tmp_path, changed_manifest) == [("images/pause.tar", "bundle-content-differs")]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("blobs/sha256/" + "0" * 64, tarfile.SYMTYPE), ("blobs/sha256/" + "0" * 64, tarfile.LNKTYPE), ("../x", tarfile.REGTYPE),
     ("/etc/passwd", tarfile.REGTYPE), ("blobs/sha256/../../x", tarfile.REGTYPE), ("dev", tarfile.CHRTYPE)],
)  # fmt: skip
def test_an_archive_with_links_or_other_paths_is_reported(tmp_path: Path, manifest: BundleManifest, name: str, kind: bytes) -> None:
    """An image archive has two documents and blobs; anything else is a trick."""
    path = tmp_path / "images" / "pause.tar"
    with tarfile.open(path, "a") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, "/etc/shadow"
        tar.addfile(member)
    changed_manifest = replaced(tmp_path, manifest, "pause", path.read_bytes())
    assert content_problems(tmp_path, changed_manifest) == [("images/pause.tar", "bundle-content-differs")]


@pytest.mark.parametrize("stored", [b"", b"no tar", bytes(10240)], ids=["empty", "text", "zeros"])
def test_an_archive_that_is_none_is_reported(tmp_path: Path, manifest: BundleManifest, stored: bytes) -> None:
    """Whatever the tar module raises."""
    assert content_problems(tmp_path, replaced(tmp_path, manifest, "pause", stored)) == [("images/pause.tar", "bundle-content-differs")]


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo, Path.mkdir], ids=["link", "pipe", "folder"])
def test_nothing_outside_of_the_folder_is_sent_to_a_host(tmp_path: Path, manifest: BundleManifest, make: Callable[[Path], object]) -> None:
    """A link to another folder, a pipe that never ends, a folder: an error before the first byte."""
    file = next(file for file in manifest.files if file.name == "kubelet")
    (tmp_path / file.path).unlink()
    make(tmp_path / file.path)
    with pytest.raises(EnvironmentFault, match="is not a file in the bundle's folder"):
        stored_path(tmp_path, file)


def test_a_file_without_a_known_digest_is_named(manifest: BundleManifest) -> None:
    """Pinned digests, module hashes and files of the repository are not; published checksums, tags and Debian packages are."""
    assert len(unpinned_files(manifest)) == len(manifest.files)  # no origin
    origins = dict(zip(manifest.files, itertools.cycle(Pin), strict=False))
    known = manifest.model_copy(
        update={
            "files": tuple(
                file.model_copy(update={"origin": Origin(locations=("x",), pin=pin, digest_from=f"origin-{pin}")})
                for file, pin in origins.items()
            )
        }
    )
    lines = unpinned_files(known)
    assert {line.rpartition("origin-")[2] for line in lines} == {"checksum-file", "tag", "debian"}
    assert all(line.startswith("not pinned: ") for line in lines)


@pytest.mark.parametrize("path", ["../kubelet", "/etc/passwd", "bin/../../kubelet", "", ".", MANIFEST_NAME, "bin\\..\\kubelet"])
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, manifest: BundleManifest, path: str) -> None:
    """A manifest cannot refer to a file outside of the bundle."""
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(changed(manifest, 0, path=path)))
    with pytest.raises(SpecError, match="is not a path inside the bundle's folder"):
        read_manifest(tmp_path)


def problems_of(folder: Path, document: Any) -> dict[str, str]:
    """Path below the manifest -> code of every problem of this manifest."""
    (folder / MANIFEST_NAME).write_text(document if isinstance(document, str) else json.dumps(document))
    with pytest.raises(SpecError) as raised:
        read_manifest(folder)
    assert all(problem.hint for problem in raised.value.problems)
    return {problem.path.removeprefix(f"{folder / MANIFEST_NAME}").lstrip("/"): problem.code for problem in raised.value.problems}


@pytest.mark.parametrize(
    "target",
    [
        "usr/local/bin/kubelet",
        "/usr/local/bin/../../../etc/shadow",
        "/etc/shadow",
        "/root/.ssh/authorized_keys",
        "/usr/local/bin/rm",
        "/usr/local/bin//kubelet",
        "/usr/local/bin/./kubelet",
        "//usr/local/bin/kubelet",
        "/usr/local/bin/kubelet/",
        "/usr/local/bin/kubelet\n",
        "/usr/local/bin/kubelet\0",
        "/opt/cni/bin/kubelet",
        "/etc/systemd/system/kubelet",
        "/etc/cron.d/kubelet",
        "",
    ],
)
def test_a_target_outside_of_the_list_is_refused(tmp_path: Path, manifest: BundleManifest, target: str) -> None:
    """A program has exactly one target: no other folder, no other program, and no other spelling of its path."""
    assert manifest.files[0].name == "kubelet"
    assert problems_of(tmp_path, changed(manifest, 0, target=target)) == {"files/0/target": "bundle-target-forbidden"}


@pytest.mark.parametrize("name", ["rm", "sudo", "bash", "kubelet2"])
def test_a_program_that_no_host_needs_is_refused(tmp_path: Path, manifest: BundleManifest, name: str) -> None:
    """/usr/local/bin is first in the PATH of root: a bundle cannot put an `rm` there."""
    found = problems_of(tmp_path, changed(manifest, 0, name=name, target=f"/usr/local/bin/{name}"))
    assert found == {"files/0/name": "bundle-target-forbidden", "files/0/target": "bundle-target-forbidden"}


@pytest.mark.parametrize("target", ["/etc/systemd/system/sshd.service", "/etc/systemd/system/kubelet.service.d/20-more.conf"])
def test_a_unit_that_no_host_needs_is_refused(tmp_path: Path, manifest: BundleManifest, target: str) -> None:
    """Only the units of containerd and kubelet, under their names."""
    index = next(index for index, file in enumerate(manifest.files) if file.name == "kubelet.service")
    found = problems_of(tmp_path, changed(manifest, index, name=target.rpartition("/")[2], target=target))
    assert set(found.values()) == {"bundle-target-forbidden"}


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1755, 0o777, 0o775, 0o644, 0, -1, "0755", True, None, 1e300])
def test_a_mode_other_than_that_of_the_target_is_refused(tmp_path: Path, manifest: BundleManifest, mode: Any) -> None:
    """No setuid, nothing that everybody may write, and no program that nobody may run."""
    assert "files/0/mode" in problems_of(tmp_path, changed(manifest, 0, mode=mode))


def test_all_forbidden_targets_are_reported_together_with_other_faults(tmp_path: Path, manifest: BundleManifest) -> None:
    """A target, a mode, a duplicate and a wrong digest of four files, in one answer."""
    document = changed(manifest, 0, target="/etc/shadow")
    document["files"][1]["mode"] = 0o4755
    document["files"][2]["path"] = document["files"][3]["path"]
    document["files"][4]["sha256"] = "abc"
    assert problems_of(tmp_path, document) == {
        "files/0/target": "bundle-target-forbidden",
        "files/1/mode": "bundle-mode-forbidden",
        "files/3/path": "bundle-manifest",
        "files/4/sha256": "bundle-manifest",
    }


@pytest.mark.parametrize(
    ("index", "field", "value"),
    [
        (0, "path", "bin/kubelet\n.gz"),
        (0, "size", -1),
        (0, "size", 1 << 40),
        (0, "content_size", 1 << 62),
        (0, "version", "1.36.3\u001b[2J"),
        (0, "version", ""),
        (0, "encoding", "xz"),
        (0, "kind", "script"),
        (0, "kind", ["binary"]),
        (0, "name", "../kubelet"),
        (0, "content_sha256", "Z" * 64),
        (0, "sha256", "\ud800"),
        (0, "cni", "flannel; reboot"),
        (0, "origin", {"locations": [], "pin": "sources", "digest_from": "x"}),
        (0, "origin", {"locations": ["x"], "pin": "trust me", "digest_from": "x"}),
        (0, "target", 5),
        (-1, "images", ["--all"]),
        (-1, "images", ["-rf/x:1"]),
        (-1, "images", ["registry.k8s.io/pause"]),
        (-1, "images", ["registry.k8s.io/pause:1 x"]),
        (-1, "images", ["REGISTRY/pause:1"]),
        (-1, "images", "registry.k8s.io/pause:1"),
    ],
)
def test_a_malformed_field_is_refused_with_its_path(tmp_path: Path, manifest: BundleManifest, index: int, field: str, value: Any) -> None:
    """No field takes an option of a program, control characters, or a number without a limit."""
    index %= len(manifest.files)
    found = problems_of(tmp_path, changed(manifest, index, **{field: value}))
    assert any(path.startswith(f"files/{index}/{field}") for path in found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "5",
        "NaN",
        "{",
        '{"files": 5}',
        '{"files": [1, null, [], "x"]}',
        "[" * 200_000,
        '{"format": ' + "9" * 5000 + "}",
        '{"format": 1e999}',
        '{"\\ud800\\u001b[2J": 1}',
    ],
    ids=lambda text: text[:20],
)
def test_a_document_that_is_not_a_manifest_is_refused(tmp_path: Path, text: str) -> None:
    """Other documents, deep nesting and huge numbers are problems, and the message can be printed."""
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(SpecError) as raised:
        read_manifest(tmp_path)
    assert {problem.code for problem in raised.value.problems} == {"bundle-manifest"}
    assert "\u001b" not in str(raised.value)
    str(raised.value).encode()


def test_a_huge_manifest_is_not_read(tmp_path: Path, manifest: BundleManifest) -> None:
    """A valid manifest with a megabyte of spaces."""
    (tmp_path / MANIFEST_NAME).write_text(manifest.to_json() + " " * 1_000_000)
    with pytest.raises(SpecError, match="is larger than 1 MB"):
        read_manifest(tmp_path)


def test_a_manifest_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8."""
    (tmp_path / MANIFEST_NAME).write_bytes(b"\xff\xfe{}")
    with pytest.raises(SpecError, match="is not JSON"):
        read_manifest(tmp_path)


def test_a_pipe_instead_of_a_manifest_is_refused(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / MANIFEST_NAME)
    with pytest.raises(EnvironmentFault, match="is not a file"):
        read_manifest(tmp_path)


def test_a_manifest_of_format_1_is_read(tmp_path: Path, manifest: BundleManifest) -> None:
    """It has no origins. A later format than this version's is refused."""
    document = manifest.model_dump(mode="json", exclude={"files": {"__all__": {"origin"}}}) | {"format": 1}
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(document))
    assert {file.origin for file in read_manifest(tmp_path).files} == {None}
    assert problems_of(tmp_path, document | {"format": 3}) == {"format": "bundle-manifest"}


def test_all_faults_of_a_manifest_are_reported(tmp_path: Path, manifest: BundleManifest) -> None:
    """A wrong digest, a wrong kind, an unknown role and an unknown field are reported together, with their paths."""
    document = changed(manifest, 0, sha256="abc", kind="binray", roles=["master"])
    document["more"] = 1
    assert set(problems_of(tmp_path, document)) == {"files/0/sha256", "files/0/kind", "files/0/roles", "more"}


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
