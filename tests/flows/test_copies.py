"""Copies of a real cluster: a snapshot of an etcd that answers, the data of one that does not, and a refusal that changes nothing.

Two of the copies are those of the deletes of shared clusters: what is wrong with one is an error of the cluster's fixture.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage
import pytest

from cluster.vocabulary.releases import DEFAULT_RELEASE
from lab import hosts
from tests.conftest import LAB, MODES, MadeCluster
from tests.hosts.test_copy_archive import unpacked

pytestmark = [pytest.mark.lab, pytest.mark.server]

BOLT = bytes.fromhex("edda0ced")  # the magic number in the first page of a database (go.etcd.io/bbolt), little endian, at byte 16


def copies_of(made: MadeCluster) -> list[Path]:
    """The archives in the store, oldest first."""
    return sorted((made.place.prefect.copies / made.name).glob("*.age"))


def opened(made: MadeCluster, archive: Path) -> dict[str, bytes]:
    """The files of a copy, decrypted with the owner's identity and compared with the manifest."""
    (line,) = [line for line in made.place.prefect.identity.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-1")]
    files = unpacked(pyrage.decrypt(archive.read_bytes(), [pyrage.x25519.Identity.from_str(line)]))
    manifest = json.loads(files["manifest.json"])["files"]
    assert {name: entry["sha256"] for name, entry in manifest.items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "manifest.json"
    }
    return files


def on_control_plane(made: MadeCluster, script: str) -> str:
    """Run a script as root on the control plane; what it printed."""
    done = hosts.run_in(str(made.document["hosts"][0]["name"]), ["sh", "-c", script], LAB, limit=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Kept:
    """What there was before the delete."""

    archives: list[Path] = field(default_factory=list)
    key: str = ""  # of the cluster's authority


@pytest.mark.parametrize("made", MODES[:1], indirect=True, ids=str)
def test_without_a_place_for_the_copy_the_cluster_stays_as_it_is(made: MadeCluster) -> None:
    """No block, and a storage that cannot be written: the API server still answers."""
    before = copies_of(made)
    blocked = made.place.prefect.root / "a-file"
    blocked.write_text("")
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    made.place.save_blocks({"backup-store": {"blocked": {"url": str(blocked), "recipient": recipient}}})
    for store, code in (("nowhere", "no-backup-store"), ("blocked", "backup-store-unusable")):
        file = made.place.write("without-place.yaml", {**made.document, "backups": store})
        refused = made.place.sixstack("delete", file, "--confirm", made.name)
        assert refused.returncode == 1
        assert code in refused.stdout + refused.stderr
    assert made.kubectl("get", "--raw", "/readyz") == "ok"
    assert on_control_plane(made, "cat /var/lib/sixstack/owner") == f"{made.name}\n"
    assert copies_of(made) == before


@pytest.mark.parametrize("made", MODES[1:2], indirect=True, ids=str)
def test_a_deleted_cluster_leaves_a_snapshot_that_its_owner_can_read(made: MadeCluster) -> None:
    """`sixstack delete` says where the copy is. No private key is in the store, the records or the logs."""
    kept = Kept()

    def before_the_delete() -> None:
        kept.archives, kept.key = copies_of(made), on_control_plane(made, "cat /etc/kubernetes/pki/ca.key")

    def after_the_delete(printed: str, _watched: object) -> None:
        (archive,) = set(copies_of(made)) - set(kept.archives)
        assert str(archive) in printed
        assert hashlib.sha256(archive.read_bytes()).hexdigest() in printed
        files = opened(made, archive)
        manifest = json.loads(files["manifest.json"])
        host = made.document["hosts"][0]["name"]
        assert (manifest["etcd"], manifest["host"], manifest["kubernetes_version"]) == ("snapshot", host, f"v{DEFAULT_RELEASE.kubernetes}")
        assert files["etcd-snapshot.db"][16:20] == BOLT
        assert b"/registry/namespaces/kube-system" in files["etcd-snapshot.db"]
        assert files["kubernetes/pki/ca.key"].decode() == kept.key
        assert {"kubernetes/admin.conf", "kubernetes/pki/etcd/ca.key", "kubernetes/manifests/etcd.yaml"} <= set(files)
        assert b"ClusterConfiguration" in files["kubeadm-config.yaml"]
        records: list[dict[str, Any]] = json.loads(made.place.sixstack("audit", made.name, "--output", "json").stdout)
        saved = {record["location"]: record["saved"]["size"] for record in records if record["step"] == "save-copy" and record["location"]}
        assert saved[str(archive)] == archive.stat().st_size
        # nothing of the key outside the copy
        secret = kept.key.splitlines()[2]
        assert re.fullmatch(r"[A-Za-z0-9+/]{64}", secret)
        for folder in (made.place.prefect.root, archive.parent):
            assert [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()] == []

    made.before_delete.append(before_the_delete)
    made.after_delete.append(after_the_delete)


@pytest.mark.parametrize("made", MODES[2:3], indirect=True, ids=str)
def test_the_data_of_an_etcd_that_does_not_answer_is_copied_as_it_is(made: MadeCluster) -> None:
    """A test cluster keeps this copy only; the copies of other clusters with this name, which were no test clusters, stay."""
    kept = Kept()

    def before_the_delete() -> None:
        kept.archives = copies_of(made)
        made.file = made.place.write("for-tests.yaml", {**made.document, "test_hosts": True})
        on_control_plane(made, "kill -STOP $(pidof etcd)")

    def after_the_delete(printed: str, _watched: object) -> None:
        assert "etcd does not answer" in printed
        (archive,) = set(copies_of(made)) - set(kept.archives)
        assert set(kept.archives) < set(copies_of(made))
        files = opened(made, archive)
        assert json.loads(files["manifest.json"])["etcd"] == "data"
        assert files["etcd-data/member/snap/db"][16:20] == BOLT
        assert any(name.startswith("etcd-data/member/wal/") for name in files)
        assert "kubernetes/pki/ca.key" in files
        assert "etcd-snapshot.db" not in files

    made.before_delete.append(before_the_delete)
    made.after_delete.append(after_the_delete)
