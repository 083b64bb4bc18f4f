"""Step read-copy with a real store and real archives: what cannot be restored is refused, with every reason, before any host is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pyrage
import pytest
import yaml

from blocks.backup_store import BackupStore
from blocks.loading import NoBlock
from cluster.facts.etcd_keys import KeyRevisions
from cluster.facts.parsers.kubernetes import ca_hash
from cluster.kubeadm.documents import cluster_configuration
from cluster.plan.restore import NOT_RESTORED, CheckedCopy, RestoreRefused
from cluster.plan.values import RestoreSource
from cluster.vocabulary.copies import CopyReason, CopySource, EtcdCopy, SavedCopy
from hosts.copy_archive import HostCopy
from runs.attempts import Attempt
from runs.context import RunContext
from tasks import read_copy as module
from tasks.restore_control_plane import AUTHORITIES
from tests.cluster.plan.test_create import SPEC
from tests.cluster.plan.test_lost_changes import answer
from tests.hosts.test_copy_archive import SNAPSHOT, Printed, printed

START = datetime(2026, 11, 26, 2, tzinfo=UTC)
CANARY = b"canary-of-a-key"
CERTIFICATE = (Path(__file__).parents[1] / "cluster/facts/recorded/control-plane.txt").read_text()
CERTIFICATE = CERTIFICATE[CERTIFICATE.index("-----BEGIN CERT") : CERTIFICATE.index("-----END CERT")] + "-----END CERTIFICATE-----\n"
KUBEADM = yaml.safe_dump({"data": {"ClusterConfiguration": yaml.safe_dump(cluster_configuration(SPEC))}}).encode()
FILES = {
    "etcd-snapshot.db": SNAPSHOT,
    "etcd-keys.json": answer({"/registry/minions/a": (3, 4)}).encode(),
    **{f"kubernetes/{path}": CANARY for path in AUTHORITIES},
    "kubernetes/pki/ca.crt": CERTIFICATE.encode(),
    "kubernetes/admin.conf": CANARY,
    "kubeadm-config.yaml": KUBEADM,
}
DOCUMENT = SPEC.model_dump(mode="json", exclude_unset=True)
for host in DOCUMENT["hosts"]:
    host["ssh"]["host_key"] = "trust-on-first-use"
CLUSTER_FILE = json.dumps(DOCUMENT).encode()


@dataclass
class Restore:
    """The store, the identity, and the records of the attempts."""

    store: BackupStore
    identity: Path
    attempts: list[Attempt] = field(default_factory=list)
    block: bool = True

    def save(
        self, minutes: int = 0, files: dict[str, bytes] | None = None, *, cluster_file: bytes = CLUSTER_FILE, **changes: Any
    ) -> SavedCopy:
        """A copy in the store, as save-copy writes it."""
        fields = {"cluster": "demo", "host": "a", "kubernetes_version": "v1.36.3", "flow_run": f"run-{minutes}", "etcd": EtcdCopy.SNAPSHOT}
        source = CopySource(**{**fields, "created": START + timedelta(minutes=minutes), **changes})
        files = FILES if files is None else files
        answered = HostCopy("a", Printed(printed(*files.items())))
        return self.store.write(source, answered.archive(source, lambda: None, cluster_file))

    def read(self, name: str | None = None) -> tuple[CheckedCopy, RestoreSource]:
        """One run of the step."""
        return module.read_copy.fn(SPEC, name, str(self.identity), RunContext("demo", "run", "default", "default"))

    def refused(self, name: str | None = None) -> set[str]:
        """The codes of the problems; no key is in a message."""
        with pytest.raises(RestoreRefused) as error:
            self.read(name)
        assert "canary" not in str(error.value)
        assert "AGE-SECRET-KEY-1" not in str(error.value).replace("AGE-SECRET-KEY-1...", "")
        return {problem.code for problem in error.value.problems}


@pytest.fixture
def restore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Restore:
    """An empty store in a folder, and its identity."""
    identity = pyrage.x25519.Identity.generate()
    file = tmp_path / "identity.txt"
    file.write_text(f"{identity}\n")
    file.chmod(0o600)
    found = Restore(BackupStore(url=str(tmp_path / "backups"), recipient=str(identity.to_public())), file)

    @contextmanager
    def record(kind: str, host: str, *_: object) -> Iterator[Attempt]:
        found.attempts.append(Attempt(kind, host))
        yield found.attempts[-1]

    def load(*_: object) -> BackupStore:
        if not found.block:
            raise NoBlock("default")
        return found.store

    monkeypatch.setattr(module, "record_attempt", record)
    monkeypatch.setattr(module, "load", load)
    return found


def test_the_newest_copy_with_a_snapshot_is_read(restore: Restore) -> None:
    """What it says about the cluster is returned, and nothing secret."""
    restore.save(0)
    newest = restore.save(1)
    restore.save(2, {name: content for name, content in FILES.items() if name != "etcd-snapshot.db"}, etcd=EtcdCopy.DATA)
    copy, source = restore.read()
    assert copy.saved == newest
    assert (copy.file.name, copy.authority, copy.kubeadm["clusterName"]) == ("demo", ca_hash(CERTIFICATE), "demo")
    assert copy.keys == {"minions/a": KeyRevisions(3, 4)}
    assert source == RestoreSource("default", newest.name, str(restore.identity))
    assert restore.attempts[0].extra["saved"] == newest
    assert "canary" not in f"{copy}{restore.attempts}"


def test_the_state_that_an_interrupted_restore_replaced_is_not_restored(restore: Restore) -> None:
    """Unless it is named: the restore was not good."""
    backup = restore.save(0)
    replaced = restore.save(1, reason=CopyReason.RESTORE)
    assert restore.read()[0].saved == backup
    assert restore.read(replaced.name)[0].saved == replaced


def test_a_copy_is_chosen_by_its_name(restore: Restore) -> None:
    """As `sixstack backups` prints it, or with the path in the store."""
    first = restore.save(0)
    restore.save(1)
    assert restore.read(first.name)[0].saved == first
    assert restore.read(first.key)[0].saved == first
    assert restore.refused("20200101T000000000000Z.a") == {"no-such-copy"}


def test_every_reason_is_reported_at_once(restore: Restore) -> None:
    """An identity that others can read, and a store without a copy."""
    restore.identity.chmod(0o640)
    assert restore.refused() == {"identity-unusable", "no-such-copy"}
    restore.block = False
    assert restore.refused() == {"identity-unusable", "no-backup-store"}


def test_a_storage_that_fails_is_a_problem(restore: Restore, tmp_path: Path) -> None:
    """Its folder is a file."""
    (tmp_path / "backups").write_text("")
    assert restore.refused() == {"backup-store-unusable"}


def test_another_identity_is_refused(restore: Restore) -> None:
    """The recipient of the copy is in the message."""
    restore.save()
    restore.identity.write_text(f"{pyrage.x25519.Identity.generate()}\n")
    assert restore.refused() == {"wrong-identity"}


def test_a_damaged_copy_is_refused(restore: Restore) -> None:
    """A changed byte, also where only the snapshot is."""
    copy = restore.save()
    path = Path(restore.store.url) / copy.key
    data = bytearray(path.read_bytes())
    for at in (10, len(data) // 2, len(data) - 1):
        path.write_bytes(bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]]))
        assert restore.refused() == {"copy-damaged"}
    path.write_bytes(data)
    assert restore.read()[0].saved == copy


def test_a_copy_of_another_cluster_is_refused(restore: Restore) -> None:
    """Put into the folder of this one, with a description that was changed to fit."""
    copy = restore.save(cluster="other")
    system, root = fsspec.core.url_to_fs(restore.store.url)
    system.makedirs(f"{root}/demo")
    system.copy(f"{root}/{copy.key}", f"{root}/demo/{copy.name}.tar.zst.age")
    assert restore.refused() == {"no-such-copy"}
    description = json.loads(system.cat_file(f"{root}/other/{copy.name}.json"))
    system.pipe_file(f"{root}/demo/{copy.name}.json", json.dumps({**description, "cluster": "demo"}).encode())
    assert restore.refused() == {"copy-of-another-cluster"}


@pytest.mark.parametrize("missing", ["etcd-snapshot.db", "kubernetes/pki/ca.crt", "kubernetes/pki/sa.key", "kubernetes/pki/etcd/ca.key"])
def test_a_copy_without_a_part_of_the_control_plane_is_refused(restore: Restore, missing: str) -> None:
    """Its description may say otherwise."""
    restore.save(files={name: content for name, content in FILES.items() if name != missing})
    assert restore.refused() == {"copy-incomplete"}


@pytest.mark.parametrize("cluster_file", [b"", b"no JSON", b"{}", b"[]"])
def test_a_copy_without_a_readable_cluster_file_is_refused(restore: Restore, cluster_file: bytes) -> None:
    """The file has the names and addresses that the cluster must have again."""
    restore.save(cluster_file=cluster_file)
    assert restore.refused() == {"copy-incomplete"}


def test_a_copy_without_what_only_a_report_needs_is_restored(restore: Restore) -> None:
    """No list of keys, no ConfigMap of kubeadm."""
    restore.save(files={name: content for name, content in FILES.items() if name not in {"etcd-keys.json", "kubeadm-config.yaml"}})
    copy, _ = restore.read()
    assert (copy.keys, copy.kubeadm) == (None, {})


def test_every_problem_of_a_copy_is_in_the_reference() -> None:
    """With the codes of the store, which a deletion has too."""
    codes = set(NOT_RESTORED)
    assert {"identity-unusable", "no-such-copy", "wrong-identity", "copy-damaged", "copy-incomplete", "copy-of-another-cluster"} <= codes


@pytest.mark.parametrize("identity", ["", "identity.txt", 7, None, "AGE-SECRET-KEY-1CANARY"], ids=repr)
@pytest.mark.usefixtures("restore")
def test_what_is_no_absolute_path_of_an_identity_is_refused(identity: object) -> None:
    """The value is not repeated: it may be the identity itself. Every other reason is reported with it."""
    with pytest.raises(RestoreRefused) as error:
        module.read_copy.fn(SPEC, None, identity, RunContext("demo", "run", "default", "default"))
    assert {problem.code for problem in error.value.problems} == {"identity-unusable", "no-such-copy"}
    assert "CANARY" not in str(error.value)
