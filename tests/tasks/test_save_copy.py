"""Step save-copy with a real store: what is recorded and returned, and what happens when host or store fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrage
import pytest

from blocks.backup_store import BackupStore, CopyNotStored
from cluster.plan.copies import CopySettings
from cluster.plan.delete import SAVE_COPY
from cluster.plan.graph import PlannedStep
from cluster.plan.values import copy_values
from cluster.vocabulary.copies import CopyReason, LocatedCopy
from cluster.vocabulary.errors import StepFailed
from runs.attempts import Attempt
from runs.context import SpecContext
from tasks import save_copy as module
from tests.cluster.plan.test_create import SPEC
from tests.hosts.test_copy_archive import SNAPSHOT, Printed, printed, unpacked

IDENTITY = pyrage.x25519.Identity.generate()
KEY = b"-----BEGIN RSA PRIVATE KEY-----\ncanary-of-a-key\n"
ANSWER = printed(("etcd-snapshot.db", SNAPSHOT), ("kubernetes/pki/ca.key", KEY))


@dataclass
class Host:
    """What stands in for the host, and the records of the attempts."""

    store: BackupStore
    answer: bytes = ANSWER
    failure: Exception | None = None  # of the script, at its end
    attempts: list[Attempt] = field(default_factory=list)
    runs: int = 0

    def save(self, **settings: Any) -> LocatedCopy | None:
        """One run of the step."""
        self.runs += 1
        run = SpecContext("demo", f"run-{self.runs}", "default", "default", SPEC)
        planned = PlannedStep(SAVE_COPY, "a", "", copy_values(SPEC, SPEC.hosts[0], CopySettings("default", **settings)))
        return module.save_copy.fn(planned, run)

    def finish(self) -> None:
        """The end of the script."""
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    """A host that prints a snapshot and a key, and a store in a folder."""
    found = Host(BackupStore(url=str(tmp_path / "backups"), recipient=str(IDENTITY.to_public())))

    @contextmanager
    def record(planned: PlannedStep, *_: object) -> Iterator[Attempt]:
        found.attempts.append(Attempt(planned.kind, planned.subject))
        yield found.attempts[-1]

    @contextmanager
    def stream(*_: object) -> Iterator[tuple[Printed, Callable[[], None]]]:
        yield Printed(found.answer), found.finish

    class Session:
        host = "a"

    stand_ins: dict[str, Any] = {
        "record_step": record,
        "stream_script": stream,
        "load": lambda _kind, _name: found.store,
        "locked_session": lambda *_: Session(),
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(module, name, stand_in)
    return found


def test_the_copy_is_returned_and_recorded_with_its_place_size_digest_and_recipient(host: Host) -> None:
    """The owner decrypts it with the identity; no key is in the record."""
    located = host.save()
    assert located is not None
    (copy,) = host.store.copies("demo")
    attempt = host.attempts[0]
    assert (located.copy, attempt.extra) == (copy, {"saved": copy, "location": located.location})
    said = str(attempt)
    assert all(word in said for word in (located.location, copy.sha256, copy.recipient, f"{copy.size:,} bytes", "a snapshot of etcd"))
    assert "canary" not in said
    files = unpacked(pyrage.decrypt(Path(located.location).read_bytes(), [IDENTITY]))
    assert (files["etcd-snapshot.db"], files["kubernetes/pki/ca.key"]) == (SNAPSHOT, KEY)


def test_a_host_with_nothing_to_save_has_no_copy(host: Host) -> None:
    """Its facts were unknown."""
    host.answer = printed(etcd="none")
    assert host.save() is None
    assert host.store.copies("demo") == ()


def test_a_script_that_fails_at_its_end_leaves_no_copy(host: Host) -> None:
    """Although every byte arrived: the step fails with the error of the script, and the resets wait for it in vain."""
    host.failure = StepFailed("a", "exit code 1", "")
    with pytest.raises(StepFailed, match="exit code 1"):
        host.save()
    host.answer = printed(etcd="none")
    with pytest.raises(StepFailed, match="exit code 1"):
        host.save()
    assert [path for path in Path(host.store.url).rglob("*") if path.is_file()] == []


def test_a_store_that_fails_fails_the_step(host: Host, tmp_path: Path) -> None:
    """Nothing is returned that a summary could take for a copy."""
    (tmp_path / "file").write_text("")
    host.store = host.store.model_copy(update={"url": str(tmp_path / "file")})
    with pytest.raises(CopyNotStored):
        host.save()


def test_a_test_cluster_keeps_the_last_copy_only(host: Host) -> None:
    """After the new one is stored; a cluster that is not a test cluster keeps all."""
    host.save()
    host.save(test=True, only_last=True)
    last = host.save(test=True, only_last=True)
    assert last is not None
    assert [copy.flow_run for copy in host.store.copies("demo")] == ["run-1", "run-3"]
    assert "removed the earlier copy" in host.attempts[-1].changed[-1]


def test_earlier_copies_that_cannot_be_removed_do_not_fail_the_step(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new copy is there: the record has the reason."""

    def refuse(*_: object) -> None:
        raise CopyNotStored("read-only")

    monkeypatch.setattr(BackupStore, "remove_replaced", refuse)
    assert host.save(test=True, only_last=True) is not None
    assert host.attempts[0].changed[-1] == "earlier copies were not removed: read-only"


def test_a_backup_has_the_cluster_file_and_says_what_it_is(host: Host) -> None:
    """Reason, version and revision of etcd are in the description, for `sixstack backups`."""
    located = host.save(reason=CopyReason.BACKUP)
    assert located is not None
    copy = located.copy
    assert (copy.reason, copy.etcd_version, copy.revision) == (CopyReason.BACKUP, "3.6.6", 1234)
    files = unpacked(pyrage.decrypt(Path(located.location).read_bytes(), [IDENTITY]))
    assert json.loads(files["cluster.json"]) == SPEC.model_dump(mode="json", exclude_unset=True)


def test_a_backup_without_a_snapshot_fails_and_stores_nothing(host: Host) -> None:
    """A deletion stores what is there instead."""
    host.answer = printed(("etcd-data/member/snap/db", b"x"), etcd="data etcd does not answer")
    with pytest.raises(StepFailed, match="etcd does not answer"):
        host.save(reason=CopyReason.BACKUP)
    assert host.store.copies("demo") == ()
    assert host.save() is not None


def test_a_backup_removes_the_oldest_ones(host: Host) -> None:
    """As many as the cluster file has stay; a copy before a restore removes none."""
    for _ in range(3):
        host.save(reason=CopyReason.BACKUP, kept=2)
    assert [copy.flow_run for copy in host.store.copies("demo")] == ["run-2", "run-3"]
    assert "removed the earlier copy" in host.attempts[-1].changed[-1]
    host.save(reason=CopyReason.RESTORE)
    assert len(host.store.copies("demo")) == 3
