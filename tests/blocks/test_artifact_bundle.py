"""The digest of a bundle's manifest in its block: recorded by `sixstack bundle register`, compared by every run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from blocks.artifact_bundle import ArtifactBundle
from bundle.faults import BundleFault
from bundle.layout import places
from bundle.manifest import MANIFEST_NAME, Architecture, BundleManifest, FileKind, manifest_sha256
from bundle.pack import describe, write_manifest
from cluster.vocabulary.problems import Severity
from cluster.vocabulary.releases import DEFAULT_RELEASE
from tests.conftest import Workplace

EXAMPLE = Path(__file__).parents[2] / "deployments" / "examples" / "ipv4.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of the systemd units."""
    units = [place for place in places(DEFAULT_RELEASE).values() if place.kind is FileKind.UNIT]
    files = []
    for place in units:
        stored = tmp_path / place.path
        stored.parent.mkdir(exist_ok=True)
        stored.write_text(place.name)
        files.append(describe(place, stored, stored))
    write_manifest(
        tmp_path, BundleManifest(name="small", kubernetes_version="v1.36.3", architecture=Architecture.AMD64, files=tuple(files))
    )
    return tmp_path


def change(folder: Path) -> str:
    """Replace a unit and its digest in the manifest, as somebody with access to the folder could; the new digest of the manifest."""
    path = folder / "units" / "kubelet.service"
    path.write_text("[Service]\nExecStart=/bin/evil\n")
    document = json.loads((folder / MANIFEST_NAME).read_text())
    entry = next(entry for entry in document["files"] if entry["name"] == "kubelet.service")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry |= {"sha256": digest, "content_sha256": digest, "size": path.stat().st_size, "content_size": path.stat().st_size}
    (folder / MANIFEST_NAME).write_text(json.dumps(document))
    return manifest_sha256(folder)


def test_the_manifest_that_was_registered_is_read(folder: Path) -> None:
    """The block has its digest, and no remark."""
    block = ArtifactBundle.of(folder)
    assert block.manifest_sha256 == hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()
    assert block.manifest().name == "small"
    assert block.remarks() == ()


def test_a_changed_manifest_is_refused_with_both_digests(folder: Path) -> None:
    """Also when every file matches the changed manifest. The hint has the command that registers the bundle again."""
    block = ArtifactBundle.of(folder)
    found = change(folder)
    with pytest.raises(BundleFault) as raised:
        block.manifest()
    (problem,) = raised.value.problems
    assert (problem.code, problem.path) == ("bundle-manifest-changed", str(folder / MANIFEST_NAME))
    assert found in problem.message
    assert block.manifest_sha256 in problem.message
    assert f"sixstack bundle register {folder}" in problem.hint
    assert ArtifactBundle.of(folder).manifest().name == "small"


def test_a_changed_manifest_is_not_parsed(folder: Path) -> None:
    """The digest is compared first: nothing of an unknown document is read."""
    block = ArtifactBundle.of(folder)
    (folder / MANIFEST_NAME).write_text("[" * 100_000)
    with pytest.raises(BundleFault) as raised:
        block.manifest()
    assert {problem.code for problem in raised.value.problems} == {"bundle-manifest-changed"}


def test_a_block_without_a_digest_works_with_a_warning(folder: Path) -> None:
    """Blocks of earlier versions have none."""
    block = ArtifactBundle(folder=str(folder))
    change(folder)
    assert block.manifest().name == "small"
    (problem,) = block.remarks()
    assert (problem.code, problem.severity) == ("bundle-not-pinned", Severity.WARNING)
    assert "sixstack bundle register" in problem.hint


@pytest.mark.parametrize("digest", ["abc", "sha256:" + "0" * 64, "0" * 63 + "G", "0" * 64 + "\n"])
def test_a_digest_that_is_none_is_refused(folder: Path, digest: str) -> None:
    """A typing error in the form would refuse every run later."""
    with pytest.raises(ValueError, match="manifest_sha256"):
        ArtifactBundle(folder=str(folder), manifest_sha256=digest)


@pytest.mark.server
class TestWithServer:
    """The commands."""

    @pytest.fixture
    def place(self, prefect_server: Workplace) -> Iterator[Workplace]:
        """The server without the block of these tests, afterwards."""
        yield prefect_server
        prefect_server.remove_block("artifact-bundle/pinned")

    @staticmethod
    def saved(place: Workplace) -> dict[str, Any]:
        """The fields of the block."""
        return dict(place.api("/block_types/slug/artifact-bundle/block_documents/name/pinned")["data"])

    def test_register_saves_the_digest_and_verify_compares_it(self, place: Workplace, folder: Path) -> None:
        """A second register says that nothing changed."""
        done = place.sixstack("bundle", "register", str(folder), "--name", "pinned")
        assert (done.returncode, done.stderr) == (0, "")
        assert self.saved(place) == {"folder": str(folder), "manifest_sha256": manifest_sha256(folder)}
        assert "unchanged" in place.sixstack("bundle", "register", str(folder), "--name", "pinned").stdout
        done = place.sixstack("bundle", "verify", "--block", "pinned")
        assert done.returncode == 0, done.stderr
        assert manifest_sha256(folder) in done.stdout

    def test_a_changed_bundle_is_kept_out_until_it_is_registered_again(self, place: Workplace, folder: Path) -> None:
        """verify and plan exit with 1 and both digests, register needs --overwrite. plan refuses before it judges any host."""
        place.sixstack("bundle", "register", str(folder), "--name", "pinned")
        before = manifest_sha256(folder)
        after = change(folder)
        for command in (["bundle", "verify", "--block", "pinned"], ["plan", self.cluster(place)]):
            done = place.sixstack(*command)
            assert done.returncode == 1, done.stdout + done.stderr
            printed = done.stdout + done.stderr
            assert "[bundle-manifest-changed]" in printed
            assert before in printed
            assert after in printed
            assert f"sixstack bundle register {folder} --name pinned --overwrite" in printed
        refused = place.sixstack("bundle", "register", str(folder), "--name", "pinned")
        assert refused.returncode == 1
        assert before in refused.stderr
        assert after in refused.stderr
        assert self.saved(place)["manifest_sha256"] == before
        assert place.sixstack("bundle", "register", str(folder), "--name", "pinned", "--overwrite").returncode == 0
        assert self.saved(place)["manifest_sha256"] == after
        assert place.sixstack("bundle", "verify", "--block", "pinned").returncode == 0

    def test_a_damaged_bundle_is_not_registered(self, place: Workplace, folder: Path) -> None:
        """Every file is compared first."""
        (folder / "units" / "kubelet.service").write_text("damaged")
        done = place.sixstack("bundle", "register", str(folder), "--name", "pinned")
        assert done.returncode == 1
        assert "[bundle-file-differs]" in done.stderr

    def test_a_block_of_an_earlier_version_is_used_and_named(self, place: Workplace, folder: Path) -> None:
        """Its document has no field for the digest."""
        self.save_without_digest(place, folder)
        done = place.sixstack("bundle", "verify", "--block", "pinned")
        assert done.returncode == 0, done.stderr
        assert "not pinned: the block `pinned`" in done.stdout
        assert place.sixstack("bundle", "verify", "--block", "pinned", "--strict").returncode == 1
        # the next problem is that no host can be reached
        done = place.sixstack("plan", self.cluster(place))
        assert "bundle-manifest-changed" not in done.stdout + done.stderr
        assert "host" in done.stdout + done.stderr

    @staticmethod
    def save_without_digest(place: Workplace, folder: Path) -> None:
        """A block document as earlier versions saved it."""
        place.sixstack("bundle", "register", str(folder), "--name", "pinned", "--overwrite")
        document = place.api("/block_types/slug/artifact-bundle/block_documents/name/pinned")
        changed = {"data": {"folder": str(folder)}, "merge_existing_data": False, "block_schema_id": document["block_schema_id"]}
        place.api(f"/block_documents/{document['id']}", changed, "PATCH")
        assert TestWithServer.saved(place) == {"folder": str(folder)}

    @staticmethod
    def cluster(place: Workplace) -> str:
        """A cluster file with this bundle. Nothing listens on the port of its host."""
        document = yaml.safe_load(EXAMPLE.read_text())
        document["bundle"] = "pinned"
        document["hosts"] = document["hosts"][:1]
        document["hosts"][0]["ssh"] |= {"address": "127.0.0.1", "port": 9}
        place.save_blocks({"ssh-credential": {document["hosts"][0]["ssh"].get("credential", "default"): {"password": "x"}}})
        return place.write("pinned.yaml", document)
