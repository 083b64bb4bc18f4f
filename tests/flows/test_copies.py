"""Copies of a real cluster: a snapshot of an etcd that answers, the data of one that does not, and a refusal that changes nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyrage
import pytest

from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.releases import DEFAULT_RELEASE
from lab import hosts
from lab.spec import cluster_document
from tests.conftest import LAB, Workplace
from tests.flows.conftest import BareHosts
from tests.hosts.test_copy_archive import unpacked
from tests.lived_in import changes

pytestmark = [pytest.mark.lab, pytest.mark.server]

NAME = "copied"
HOST = f"{LAB}-1"
BOLT = bytes.fromhex("edda0ced")  # the magic number in the first page of a database (go.etcd.io/bbolt), little endian, at byte 16


@dataclass
class Copied:
    """A cluster of one host, and the store of its copies."""

    place: Workplace
    document: dict[str, Any]

    @property
    def file(self) -> str:
        """The cluster file."""
        return self.place.write(f"{NAME}.yaml", self.document)

    def create(self) -> None:
        """Create the cluster."""
        done = self.place.sixstack("create", self.file, "--no-verify")
        assert done.returncode == 0, done.stdout + done.stderr

    def delete(self, *options: str, **changes: Any) -> CompletedProcess[str]:
        """Delete the cluster, with a changed file."""
        file = self.place.write(f"{NAME}.yaml", {**self.document, **changes})
        return self.place.sixstack("delete", file, "--confirm", NAME, *options)

    def copies(self) -> list[Path]:
        """The archives in the store, oldest first."""
        return sorted((self.place.prefect.copies / NAME).glob("*.age"))

    def opened(self, archive: Path) -> dict[str, bytes]:
        """The files of a copy, decrypted with the owner's identity and compared with the manifest."""
        (line,) = [line for line in self.place.prefect.identity.read_text().splitlines() if line.startswith("AGE-SECRET-KEY-1")]
        files = unpacked(pyrage.decrypt(archive.read_bytes(), [pyrage.x25519.Identity.from_str(line)]))
        manifest = json.loads(files["manifest.json"])["files"]
        assert {name: entry["sha256"] for name, entry in manifest.items()} == {
            name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != "manifest.json"
        }
        return files


def on_host(script: str) -> str:
    """Run a script as root on the host; what it printed."""
    done = hosts.run_in(HOST, ["sh", "-c", script], LAB, limit=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copied(bare: BareHosts) -> Iterator[Copied]:
    """A cluster of one host, created by the first test; etcd listens on [::1]."""
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), StackMode.DUAL_STACK, Family.IPV6, cni="none", count=1)
    before = bare.look()
    cluster = Copied(bare.place, {**document, "name": NAME})
    yield cluster
    deleted = cluster.delete("--without-copy")
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert changes(before, bare.look()) == []


def test_without_a_place_for_the_copy_the_cluster_stays_as_it_is(copied: Copied) -> None:
    """No block, and a storage that cannot be written: the API server still answers."""
    copied.create()
    missing = copied.delete(backups="nowhere")
    assert missing.returncode == 1
    assert "no-backup-store" in missing.stdout + missing.stderr
    blocked = copied.place.prefect.root / "a-file"
    blocked.write_text("")
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    copied.place.prefect.save_blocks({"backup-store": {"blocked": {"url": str(blocked), "recipient": recipient}}})
    unusable = copied.delete(backups="blocked")
    assert unusable.returncode == 1
    assert "backup-store-unusable" in unusable.stdout + unusable.stderr
    assert copied.place.sixstack("kubectl", NAME, "--", "get", "--raw", "/readyz").stdout == "ok"
    assert on_host("cat /var/lib/sixstack/owner") == f"{NAME}\n"
    assert copied.copies() == []


def test_a_deleted_cluster_leaves_a_snapshot_that_its_owner_can_read(copied: Copied) -> None:
    """`sixstack delete` says where it is. No private key is in the store, the records or the logs."""
    key = on_host("cat /etc/kubernetes/pki/ca.key")
    done = copied.delete()
    assert done.returncode == 0, done.stdout + done.stderr
    (archive,) = copied.copies()
    assert str(archive) in done.stdout
    assert hashlib.sha256(archive.read_bytes()).hexdigest() in done.stdout
    files = copied.opened(archive)
    manifest = json.loads(files["manifest.json"])
    assert (manifest["etcd"], manifest["host"], manifest["kubernetes_version"]) == ("snapshot", HOST, f"v{DEFAULT_RELEASE.kubernetes}")
    assert files["etcd-snapshot.db"][16:20] == BOLT
    assert b"/registry/namespaces/kube-system" in files["etcd-snapshot.db"]
    assert files["kubernetes/pki/ca.key"].decode() == key
    assert {"kubernetes/admin.conf", "kubernetes/pki/etcd/ca.key", "kubernetes/manifests/etcd.yaml"} <= set(files)
    assert b"ClusterConfiguration" in files["kubeadm-config.yaml"]
    records = json.loads(copied.place.sixstack("audit", NAME, "--output", "json").stdout)
    (record,) = [record for record in records if record["step"] == "save-copy"]
    assert (record["location"], record["saved"]["size"]) == (str(archive), archive.stat().st_size)
    # nothing of the key outside the copy
    secret = key.splitlines()[2]
    assert re.fullmatch(r"[A-Za-z0-9+/]{64}", secret)
    for folder in (copied.place.prefect.root, archive.parent):
        found = [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
        assert found == []


def test_the_data_of_an_etcd_that_does_not_answer_is_copied_as_it_is(copied: Copied) -> None:
    """A test cluster keeps this copy only; the copy of the other cluster with this name, which was no test cluster, stays."""
    (first,) = copied.copies()
    copied.create()
    on_host("kill -STOP $(pidof etcd)")
    done = copied.delete(test_hosts=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "etcd does not answer" in done.stdout
    kept, second = copied.copies()
    assert kept == first
    files = copied.opened(second)
    assert json.loads(files["manifest.json"])["etcd"] == "data"
    assert files["etcd-data/member/snap/db"][16:20] == BOLT
    assert any(name.startswith("etcd-data/member/wal/") for name in files)
    assert "kubernetes/pki/ca.key" in files
    assert "etcd-snapshot.db" not in files
