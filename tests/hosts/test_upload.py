"""The artifact bundle onto a bare host."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest

from bundle.manifest import BundleFile, Encoding, FileKind
from cluster.vocabulary.errors import HostError, StepFailed
from hosts.session import Session
from hosts.upload import import_images, upload_files

SOON = timedelta(seconds=60)
PLACE = "/opt/upload-test"

pytestmark = pytest.mark.lab


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def bundle_file(folder: Path, name: str, content: bytes, *, encoding: Encoding = Encoding.GZIP, **changes: object) -> BundleFile:
    """A file of a bundle, written into `folder`."""
    stored = gzip.compress(content) if encoding is Encoding.GZIP else content
    (folder / name).write_bytes(stored)
    fields = {
        "path": name, "name": name, "kind": FileKind.BINARY, "version": "1.0", "sha256": sha256(stored), "size": len(stored), "encoding": encoding,
        "content_sha256": sha256(content), "content_size": len(content), "target": PurePosixPath(PLACE) / "it's here" / name, "mode": 0o755,
    }  # fmt: skip
    return BundleFile(**{**fields, **changes})


@pytest.fixture
def session(root_session: Session) -> Iterator[Session]:
    """A session with a claimed host that has nothing of these tests."""
    forget = f"rm -rf {PLACE} /var/lib/sixstack/bundle /var/lib/sixstack/before"
    claim = "mkdir -p /var/lib/sixstack/before && touch /var/lib/sixstack/before/paths /var/lib/sixstack/before/every-level"
    root_session.run(f"{forget}; {claim}", limit=SOON)
    yield root_session
    root_session.run(forget, limit=SOON)


class TestFiles:
    """upload_files."""

    def test_files_arrive_in_their_places_with_modes_and_markers(self, session: Session, tmp_path: Path) -> None:
        """Compressed and plain, large, small and empty, in one stream."""
        contents = {"large": bytes(range(256)) * 40_000, "small": b"x", "empty": b""}
        files = [bundle_file(tmp_path, name, content) for name, content in contents.items()]
        files.append(bundle_file(tmp_path, "unit", b"[Unit]\n", encoding=Encoding.IDENTITY, mode=0o644))
        told: list[tuple[int, int]] = []
        done = upload_files(session, tmp_path, files, lambda sent, total: told.append((sent, total)))
        assert done[0] == f"installed large 1.0 as {PLACE}/it's here/large"
        assert told[-1] == (sum(file.size for file in files),) * 2
        for file in files:
            found = session.run(
                f'cd "{PLACE}/it\'s here" && sha256sum <{file.name} && stat -c "%a %n %s %Y" "$PWD/{file.name}" && cat /var/lib/sixstack/bundle/{file.content_sha256}',
                limit=SOON,
            )
            digest, status, marker = found.stdout.splitlines()
            assert digest.split()[0] == file.content_sha256
            assert status == f"{file.mode:o} {marker}"
        assert session.run(f"find {PLACE} -name '*.sixstack-new'", limit=SOON).stdout == ""

    def test_a_file_that_arrives_damaged_stops_there_and_leaves_the_old_one(self, session: Session, tmp_path: Path) -> None:
        """What came before it is whole and marked; what comes after is not touched."""
        good, bad, after = (bundle_file(tmp_path, name, name.encode() * 1000) for name in ("good", "bad", "after"))
        upload_files(session, tmp_path, [bad])
        damaged = gzip.compress(b"BAD" * 1000)
        (tmp_path / "bad").write_bytes(damaged)
        lying = bad.model_copy(update={"size": len(damaged)})
        with pytest.raises(StepFailed, match=r"sha256:\w+ for .*/bad, "):
            upload_files(session, tmp_path, [good, lying, after])
        assert (
            session.run(f"cd '{PLACE}'/*; ls -A; head -c 3 bad; ls /var/lib/sixstack/bundle | wc -l", limit=SOON).stdout
            == "bad\ngood\nbad2\n"
        )

    @pytest.mark.parametrize("broken", ["openssl", "sha256sum"])
    def test_either_program_for_digests_is_enough(self, session: Session, tmp_path: Path, broken: str) -> None:
        """OpenSSL where it works, which is faster, else sha256sum, which every host has."""
        good, bad = (bundle_file(tmp_path, name, name.encode() * 1000) for name in ("good", "bad"))
        (tmp_path / "bad").write_bytes(bytes(bad.size))
        session.run(f"mount --bind /bin/false /usr/bin/{broken}", limit=SOON)
        try:
            upload_files(session, tmp_path, [good])
            with pytest.raises(StepFailed, match=r"received sha256:[0-9a-f]{64} for .*/bad, "):
                upload_files(session, tmp_path, [bad])
        finally:
            session.run(f"umount /usr/bin/{broken}", limit=SOON)

    @pytest.mark.parametrize("size", [1000, 50_000_001])
    def test_a_file_that_unpacks_to_another_size_is_not_placed(self, session: Session, tmp_path: Path, size: int) -> None:
        """A bomb is cut after the size in the manifest, although its digest as sent is right. A file that is too short is refused as well."""
        file = bundle_file(tmp_path, "bomb", bytes(50_000_000), content_size=size)
        with pytest.raises(StepFailed, match=f"does not unpack to {size} bytes"):
            upload_files(session, tmp_path, [file])
        assert session.run(f"find {PLACE} -type f; ls /var/lib/sixstack/bundle", limit=SOON).stdout == ""

    def test_a_full_disk_is_reported_before_any_write(self, session: Session, tmp_path: Path) -> None:
        """With the free and the required space."""
        file = bundle_file(tmp_path, "huge", b"x", content_size=2**31)
        with pytest.raises(HostError, match=r"MiB free, \d+ MiB are needed"):
            upload_files(session, tmp_path, [file] * 10_000)

    def test_a_file_of_the_owner_is_kept_before_it_is_replaced(self, session: Session, tmp_path: Path) -> None:
        """With its mode, owner and link target, once: the second upload of another content keeps no file of ours."""
        session.run(
            f"mkdir -p {PLACE}; printf own >{PLACE}/tool; chown 7:8 {PLACE}/tool; chmod 4711 {PLACE}/tool; ln -s tool {PLACE}/link",
            limit=SOON,
        )
        for content in (b"first", b"second"):
            files = [bundle_file(tmp_path, name, content, target=PurePosixPath(PLACE) / name) for name in ("tool", "link")]
            upload_files(session, tmp_path, files)
        kept = f"/var/lib/sixstack/before/files{PLACE}"
        found = session.run(f"cd {PLACE}; cat tool link; cd {kept}; stat -c '%a %u %g %F %N' tool link; cat tool", limit=SOON).stdout
        assert found == "secondsecond4711 7 8 regular file 'tool'\n777 0 0 symbolic link 'link' -> 'tool'\nown"

    def test_nothing_is_replaced_on_a_host_without_a_claim(self, session: Session, tmp_path: Path) -> None:
        """A missing list does not mean that nothing was there."""
        session.run(f"mkdir -p {PLACE}; printf own >{PLACE}/tool; rm /var/lib/sixstack/before/paths", limit=SOON)
        with pytest.raises(StepFailed, match=r"before/paths is missing"):
            upload_files(session, tmp_path, [bundle_file(tmp_path, "tool", b"x", target=PurePosixPath(PLACE) / "tool")])
        assert session.run(f"cat {PLACE}/tool; find {PLACE} -type f | wc -l", limit=SOON).stdout == "own1\n"

    def test_nothing_to_do_is_nothing_done(self, session: Session, tmp_path: Path) -> None:
        """No round trip either."""
        assert upload_files(session, tmp_path, []) == ()
        assert import_images(session, tmp_path, []) == ()


def image_archive(reference: str) -> bytes:
    """A scratch image with one small layer, as an OCI archive."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str) -> dict[str, object]:
        blobs[sha256(content)] = content
        return {"mediaType": kind, "digest": f"sha256:{sha256(content)}", "size": len(content)}

    def packed(entries: dict[str, bytes]) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in entries.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return stream.getvalue()

    layer = packed({"hello": reference.encode()})
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]}, "config": {}}
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [blob(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
    ).encode()
    index = {
        "schemaVersion": 2,
        "manifests": [
            blob(manifest, "application/vnd.oci.image.manifest.v1+json") | {"annotations": {"io.containerd.image.name": reference}}
        ],
    }
    return packed(
        {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": json.dumps(index).encode(),
            **{f"blobs/sha256/{digest}": content for digest, content in blobs.items()},
        }
    )


@pytest.mark.bundle
class TestImages:
    """import_images, with the bundle's real containerd."""

    @pytest.fixture
    def containerd(self, session: Session, bundle_folder: Path) -> Iterator[Session]:
        """A host on which containerd runs."""
        from bundle.manifest import read_manifest

        wanted = [file for file in read_manifest(bundle_folder).files if file.name in {"containerd", "ctr", "containerd.service"}]
        upload_files(session, bundle_folder, wanted)
        started = session.run("systemctl daemon-reload && systemctl start containerd", limit=SOON)
        assert started.ok, started.stderr
        yield session
        targets = " ".join(str(file.target) for file in wanted)
        session.run(
            f"ctr -n k8s.io images ls -q | xargs -r ctr -n k8s.io images rm --sync; systemctl stop containerd; rm -rf {targets} "
            "/var/lib/containerd/*; systemctl daemon-reload",
            limit=SOON,
        )

    def image(self, folder: Path, name: str, **changes: object) -> BundleFile:
        reference = f"example.org/{name}:1"
        return bundle_file(
            folder,
            name,
            image_archive(reference),
            encoding=Encoding.IDENTITY,
            kind=FileKind.IMAGE,
            target=None,
            images=(reference,),
            **changes,
        )

    def references(self, session: Session) -> list[str]:
        return [line for line in session.run("ctr -n k8s.io images ls -q", limit=SOON).stdout.split() if not line.startswith("sha256:")]

    def test_archives_become_images_and_leave_no_file(self, containerd: Session, tmp_path: Path) -> None:
        """Several in one stream, the one of the network check among them."""
        temporary = containerd.run("ls -A /tmp /run", limit=SOON).stdout
        files = [self.image(tmp_path, name) for name in ("one", "probe", "two")]
        assert import_images(containerd, tmp_path, files)[0] == "imported example.org/one:1"
        assert self.references(containerd) == ["example.org/one:1", "example.org/probe:1", "example.org/two:1"]
        assert containerd.run("ls -A /tmp /run", limit=SOON).stdout == temporary

    def test_a_damaged_archive_leaves_no_image(self, containerd: Session, tmp_path: Path) -> None:
        """A changed byte in a blob, which containerd sees, and one that only the archive's digest shows."""
        for place in (b"example.org/two:1", b"imageLayoutVersion"):
            good, bad = (self.image(tmp_path, name) for name in ("one", "two"))
            data = (tmp_path / "two").read_bytes()
            (tmp_path / "two").write_bytes(data.replace(place, place[:-1] + b"X"))
            with pytest.raises(StepFailed, match=r"(could not import|sha256:\w+ for) example\.org/two:1"):
                import_images(containerd, tmp_path, [good, bad])
            assert self.references(containerd) == ["example.org/one:1"]

    def test_the_error_reports_a_missing_containerd(self, session: Session, tmp_path: Path) -> None:
        """The bundle's files must be uploaded first."""
        with pytest.raises(StepFailed, match=r"ctr"):
            import_images(session, tmp_path, [self.image(tmp_path, "one")])
