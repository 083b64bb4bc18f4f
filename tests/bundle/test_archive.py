"""OCI archives: equal images give equal bytes, and blobs are stored by their digests."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from bundle.archive import IMAGE_CONFIG, IMAGE_MANIFEST, ArchivedImage, Blob, write_archive


def image(layer: Path) -> ArchivedImage:
    """An image of one layer."""
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    blob = Blob("application/vnd.oci.image.layer.v1.tar", f"sha256:{digest}", layer.stat().st_size, layer)
    config = Blob.of_json(IMAGE_CONFIG, {"os": "linux", "architecture": "amd64"})
    manifest = Blob.of_json(IMAGE_MANIFEST, {"schemaVersion": 2, "config": config.descriptor, "layers": [blob.descriptor]})
    return ArchivedImage("registry.k8s.io/pause:1", manifest, (config, blob))


def test_an_archive_is_the_same_on_every_machine_and_day(tmp_path: Path) -> None:
    """The digest is constant, because the archive has no time, owner or order of this machine."""
    (tmp_path / "layer").write_bytes(b"layer")
    write_archive(tmp_path / "archive.tar", [image(tmp_path / "layer")])
    assert (
        hashlib.sha256((tmp_path / "archive.tar").read_bytes()).hexdigest()
        == "f44936785aca56b8cc12fa433615869de87f41a427e0a771894b9e1091dde2a5"
    )


def test_every_blob_lies_under_its_digest(tmp_path: Path) -> None:
    """A reader can verify each blob, and the index refers to all of them."""
    (tmp_path / "layer").write_bytes(b"layer")
    write_archive(tmp_path / "archive.tar", [image(tmp_path / "layer")])
    with tarfile.open(tmp_path / "archive.tar") as archive:
        contents = {name: stream.read() for name in archive.getnames() if (stream := archive.extractfile(name)) is not None}
    blobs = {name: content for name, content in contents.items() if name.startswith("blobs/")}
    assert {f"blobs/sha256/{hashlib.sha256(content).hexdigest()}" for content in blobs.values()} == set(blobs)
    described = json.loads(contents["index.json"])["manifests"][0]
    manifest = json.loads(contents[f"blobs/{described['digest'].replace(':', '/')}"])
    assert {f"blobs/{each['digest'].replace(':', '/')}" for each in (manifest["config"], *manifest["layers"])} < set(blobs)
    assert json.loads(contents["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def test_images_of_one_archive_share_their_blobs(tmp_path: Path) -> None:
    """A layer of two images is stored once."""
    (tmp_path / "layer").write_bytes(b"layer")
    one = image(tmp_path / "layer")
    write_archive(tmp_path / "archive.tar", [one, ArchivedImage("registry.k8s.io/pause:2", one.manifest, one.blobs)])
    with tarfile.open(tmp_path / "archive.tar") as archive:
        names = archive.getnames()
    assert len(names) == len(set(names)) == 5
