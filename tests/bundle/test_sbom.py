"""Bills of materials: valid CycloneDX, with every file of a bundle and every installed package."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from bundle.archive import IMAGE_CONFIG, IMAGE_MANIFEST, ArchivedImage, Blob, write_archive
from bundle.faults import BundleFault
from bundle.layout import Place, places
from bundle.manifest import Architecture, BundleManifest, FileKind, Origin, Pin
from bundle.pack import compress, describe, write_manifest
from bundle.sbom import LOCK, bundle_sbom, locked_hashes, python_sbom
from cluster.vocabulary.releases import DEFAULT_RELEASE

PLACES = {place.name: place for place in places(DEFAULT_RELEASE).values()}
ORIGINS = {
    "kubelet": Origin(locations=("k8s.io/kubernetes@v1.36.3",), pin=Pin.GO_SUM, digest_from="go.sum"),
    "runc": Origin(locations=("https://server.example/runc.amd64",), pin=Pin.SOURCES, digest_from="the sources file"),
    "kube-proxy": Origin(locations=("k8s.io/kubernetes@v1.36.3", "debian:iptables"), pin=Pin.DEBIAN, digest_from="packages"),
    "kubelet.service": Origin(locations=("bundle/units/kubelet.service",), pin=Pin.CHECKOUT, digest_from="this repository"),
}


def image_manifest(place: Place) -> tuple[Blob, Blob]:
    """Manifest and configuration of the image of the test."""
    config = Blob.of_json(IMAGE_CONFIG, {"name": place.name})
    return Blob.of_json(IMAGE_MANIFEST, {"config": config.descriptor}), config


@pytest.fixture
def manifest(tmp_path: Path) -> BundleManifest:
    """A bundle of a built program, a fetched program, a program without origin, a unit and an image."""
    files = []
    for name in ("kubelet", "runc", "kubeadm", "kubelet.service", "kube-proxy"):
        place = PLACES[name]
        stored, content = tmp_path / place.path, tmp_path / "content"
        stored.parent.mkdir(exist_ok=True)
        content.write_text(f"content of {name}")
        if place.kind is FileKind.IMAGE:
            document, config = image_manifest(place)
            write_archive(stored, [ArchivedImage(place.images[0], document, (config,))])
            content = stored
        elif place.kind is FileKind.UNIT:
            stored.write_text(name)
            content = stored
        else:
            compress(content, stored)
        files.append(describe(place, stored, content, ORIGINS.get(name)))
    whole = BundleManifest(name="test", kubernetes_version="v1.36.3", architecture=Architecture.AMD64, files=tuple(files))
    write_manifest(tmp_path, whole)
    return whole


def components_of(text: str) -> dict[str, dict[str, Any]]:
    """The components by name, after validation with the schema."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return {component["name"]: component for component in json.loads(text)["components"]}


def test_a_bundle_is_listed_with_versions_digests_and_purls(tmp_path: Path, manifest: BundleManifest) -> None:
    """A program has the digest of the file on a host, an image that of its manifest."""
    found = components_of(bundle_sbom(tmp_path, manifest))
    digests = {file.name: file.content_sha256 for file in manifest.files}
    proxy = PLACES["kube-proxy"]
    image = image_manifest(proxy)[0].digest
    assert {name: (each["version"], each["hashes"][0]["content"], each["purl"]) for name, each in found.items()} == {
        "kubelet": ("1.36.3", digests["kubelet"], "pkg:golang/k8s.io/kubernetes@v1.36.3"),
        "runc": ("1.3.4", digests["runc"], "pkg:generic/runc@1.3.4?arch=amd64&download_url=https://server.example/runc.amd64"),
        "kubeadm": ("1.36.3", digests["kubeadm"], f"pkg:generic/kubeadm@1.36.3?arch=amd64&checksum=sha256:{digests['kubeadm']}"),
        "kubelet.service": (
            "1.36.3",
            digests["kubelet.service"],
            f"pkg:generic/kubelet.service@1.36.3?arch=amd64&checksum=sha256:{digests['kubelet.service']}",
        ),
        "registry.k8s.io/kube-proxy": (
            "v1.36.3",
            image.removeprefix("sha256:"),
            f"pkg:oci/kube-proxy@{image}?arch=amd64&repository_url=registry.k8s.io/kube-proxy&tag=v1.36.3",
        ),
    }
    for each in found.values():
        assert PackageURL.from_string(each["purl"]).to_string() == each["purl"]


def test_an_image_lists_what_it_was_built_from(tmp_path: Path, manifest: BundleManifest) -> None:
    """Go modules and Debian packages, as components of the image."""
    image = components_of(bundle_sbom(tmp_path, manifest))["registry.k8s.io/kube-proxy"]
    assert {part["purl"] for part in image["components"]} == {"pkg:golang/k8s.io/kubernetes@v1.36.3", "pkg:deb/debian/iptables"}
    assert {"name": "sixstack:pin", "value": "debian"} in image["properties"]


def test_the_bundle_depends_on_every_component(tmp_path: Path, manifest: BundleManifest) -> None:
    """It is the subject of the document, with the digest of its manifest."""
    document = json.loads(bundle_sbom(tmp_path, manifest))
    root = document["metadata"]["component"]
    depends = next(each for each in document["dependencies"] if each["ref"] == root["bom-ref"])
    assert set(depends["dependsOn"]) == {component["bom-ref"] for component in document["components"]}
    assert (root["name"], root["version"]) == ("test", "v1.36.3")


def test_the_same_bundle_has_the_same_document(tmp_path: Path, manifest: BundleManifest) -> None:
    """Except for the time."""
    one, other = (json.loads(bundle_sbom(tmp_path, manifest)) for _ in range(2))
    for document in (one, other):
        del document["metadata"]["timestamp"]
    assert one == other


def test_an_archive_that_cannot_be_read_is_a_problem(tmp_path: Path, manifest: BundleManifest) -> None:
    """The problem has its path."""
    (tmp_path / "images" / "kube-proxy.tar").write_bytes(b"no archive")
    with pytest.raises(BundleFault) as raised:
        bundle_sbom(tmp_path, manifest)
    assert [(problem.code, problem.path) for problem in raised.value.problems] == [
        ("bundle-content-differs", str(tmp_path / "images" / "kube-proxy.tar"))
    ]


def test_the_installed_packages_are_listed_with_the_hashes_of_the_lock() -> None:
    """Every installed package; those of the lock have all hashes that pip accepts."""
    found = components_of(python_sbom())
    locked = locked_hashes(LOCK.read_text())
    for name in ("prefect", "paramiko", "cyclonedx-python-lib"):
        version = importlib.metadata.version(name)
        assert found[name]["version"] == version
        assert found[name]["purl"] == f"pkg:pypi/{name}@{version}"
        assert {each["content"] for each in found[name]["hashes"]} == set(locked[name, version])
        assert locked[name, version]
    assert "sixstack" not in found


def test_a_package_outside_of_the_lock_has_no_hashes(tmp_path: Path) -> None:
    """Its hashes are not known, and a property says so."""
    (tmp_path / "lock").write_text("prefect==0.0.1 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    prefect = components_of(python_sbom(tmp_path / "lock"))["prefect"]
    assert "hashes" not in prefect
    assert prefect["properties"] == [{"name": "sixstack:locked", "value": "no"}]


def test_a_lock_with_markers_and_extras_is_read() -> None:
    """One entry for each form of a line that a lock file has."""
    one, two = "1" * 64, "2" * 64
    text = (
        f"a-b==1.0 \\\n    --hash=sha256:{one} \\\n    --hash=sha256:{two}\n    # via c\n"
        f"C.d[extra]==2.0 ; python_version < '3.12' \\\n    --hash=sha256:{one}\n"
    )
    assert locked_hashes(text) == {("a-b", "1.0"): (one, two), ("c-d", "2.0"): (one,)}
