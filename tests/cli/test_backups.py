"""`sixstack backups`, and `sixstack restore` where nothing can be restored, with a real server and a real store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest

from blocks.backup_store import BackupStore
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cluster.vocabulary.copies import CopyReason, CopySource, EtcdCopy
from hosts.copy_archive import HostCopy
from tests.conftest import Workplace
from tests.hosts.test_copy_archive import Printed, printed
from tests.tasks.test_read_copy import CLUSTER_FILE, FILES

EXAMPLE = Path(__file__).parents[2] / "deployments" / "examples" / "ipv4.yaml"
pytestmark = pytest.mark.server


@pytest.fixture
def file(prefect_server: Workplace, tmp_path: Path) -> str:
    """A cluster file whose Backup store is empty."""
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    prefect_server.save_blocks({"backup-store": {"listed": {"url": str(tmp_path / "store"), "recipient": recipient}}})
    path = tmp_path / "cluster.yaml"
    path.write_text(f"{EXAMPLE.read_text()}\nbackups: listed\n")
    return str(path)


def name_in(file: str) -> str:
    """The name of the cluster."""
    return next(line.split(":")[1].strip() for line in Path(file).read_text().splitlines() if line.startswith("name:"))


def test_copies_are_listed_with_what_a_person_chooses_by(prefect_server: Workplace, file: str, tmp_path: Path) -> None:
    """As a table and as JSON; another cluster's copies are not among them."""
    empty = prefect_server.sixstack("backups", file)
    assert (empty.returncode, empty.stdout) == (SUCCESS, "")
    assert "has no copy" in empty.stderr
    store = BackupStore(url=str(tmp_path / "store"), recipient=str(pyrage.x25519.Identity.generate().to_public()))
    name, start = name_in(file), datetime(2026, 11, 26, 2, tzinfo=UTC)
    source = CopySource(
        cluster=name,
        host="cp-1",
        kubernetes_version="v1.36.3",
        flow_run="run",
        created=start,
        etcd=EtcdCopy.SNAPSHOT,
        reason=CopyReason.BACKUP,
        etcd_version="3.6.8",
        revision=1234,
    )
    backup = store.write(source, iter([b"x"]))
    store.write(source.model_copy(update={"cluster": "other"}), iter([b"x"]))
    later = {
        "created": start + timedelta(hours=1),
        "reason": CopyReason.DELETE,
        "etcd": EtcdCopy.DATA,
        "revision": None,
        "etcd_version": "",
    }
    deleted = store.write(source.model_copy(update=later), iter([b"x"]))
    table = prefect_server.sixstack("backups", file).stdout.splitlines()
    assert len(table) == 3
    for word in (backup.name, "2026-11-26 02:00:00", "cp-1", f"{backup.size}", "backup", "v1.36.3", "3.6.8", "1234"):
        assert word in table[1]
    assert "before delete" in table[2]
    assert "etcd's data directory" in table[2]
    listed = json.loads(prefect_server.sixstack("backups", file, "--output", "json").stdout)
    assert [(copy["name"], copy["revision"], copy["reason"]) for copy in listed] == [
        (backup.name, 1234, "backup"),
        (deleted.name, None, "before delete"),
    ]
    assert listed[0]["location"] == f"{tmp_path}/store/{backup.key}"


def test_a_restore_that_has_nothing_to_restore_asks_no_host(prefect_server: Workplace, file: str, tmp_path: Path) -> None:
    """The identity is a path: its content is in no parameter. Every reason is in one answer, and hosts that do not exist are no problem."""
    identity = tmp_path / "identity.txt"
    secret = str(pyrage.x25519.Identity.generate())
    identity.write_text(secret)
    identity.chmod(0o644)
    done = prefect_server.sixstack("restore", file, "--confirm", name_in(file), "--identity", str(identity))
    assert done.returncode == PROBLEMS, done.stdout + done.stderr
    assert "[identity-unusable]" in done.stdout
    assert "[no-such-copy]" in done.stdout
    assert "host-not-inspected" not in done.stdout
    runs = json.dumps(prefect_server.api("/flow_runs/filter", {"sort": "EXPECTED_START_TIME_DESC"}))
    assert str(identity) in runs
    assert secret not in runs + done.stdout + done.stderr


def test_a_copy_that_is_damaged_is_refused_before_any_host_is_asked(prefect_server: Workplace, file: str, tmp_path: Path) -> None:
    """By the run, with the code of the problem: the hosts of this file do not exist, and that is no problem yet."""
    identity, key = tmp_path / "identity.txt", pyrage.x25519.Identity.generate()
    identity.write_text(f"{key}\n")
    identity.chmod(0o600)
    store = BackupStore(url=str(tmp_path / "store"), recipient=str(key.to_public()))
    created = datetime(2026, 11, 26, 2, tzinfo=UTC)
    source = CopySource(
        cluster=name_in(file), host="cp-1", kubernetes_version="v1.36.3", flow_run="run", created=created, etcd=EtcdCopy.SNAPSHOT
    )
    copy = store.write(source, HostCopy("cp-1", Printed(printed(*FILES.items()))).archive(source, lambda: None, CLUSTER_FILE))
    archive = tmp_path / "store" / copy.key
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    done = prefect_server.sixstack("restore", file, "--confirm", name_in(file), "--identity", str(identity), "--copy", copy.name)
    assert done.returncode == PROBLEMS, done.stdout + done.stderr
    assert "[copy-damaged]" in done.stdout
    assert "host-not-inspected" not in done.stdout


def test_a_restore_is_confirmed_with_the_name(prefect_server: Workplace, file: str, tmp_path: Path) -> None:
    """As a deletion is."""
    done = prefect_server.sixstack("restore", file, "--confirm", "other", "--identity", str(tmp_path / "missing"))
    assert done.returncode == USAGE, done.stdout + done.stderr
    assert "No run was started" in done.stderr
