"""The backup store: what it has can be read with the private identity only, and a copy that is not whole is no copy."""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import fsspec
import pyrage
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pydantic import ValidationError

from blocks import backup_store
from blocks.backup_store import BackupStore, CopyNotStored, CopyUnreadable, WrongIdentity
from cluster.vocabulary.copies import CopyReason, CopySource, EtcdCopy

IDENTITY = pyrage.x25519.Identity.generate()
CANARY = b"-----BEGIN EC PRIVATE KEY-----\ncanary-of-a-key\n" * 50
START = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)


def source(minutes: int = 0, **changes: Any) -> CopySource:
    """A copy of host `a`, made some minutes after the first."""
    fields = {"cluster": "demo", "host": "a", "kubernetes_version": "v1.35.0", "flow_run": f"run-{minutes}", "etcd": EtcdCopy.SNAPSHOT}
    return CopySource(**{**fields, "created": START + timedelta(minutes=minutes), **changes})


def content(size: int = 3_000_000) -> Iterator[bytes]:
    """Some content in pieces of all sizes, with something that must never be read."""
    for length in (0, 1, len(CANARY), size):
        yield (CANARY * (length // len(CANARY) + 1))[:length]


class FaultyFileSystem(MemoryFileSystem):  # type: ignore[misc]
    """A storage in memory with one fault."""

    protocol = "faulty"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    fault = ""

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super()._open(path, mode, **options)
        if mode == "wb":
            return _FaultyFile(file, self.fault, description=path.endswith(".json"))
        if self.fault == "other content" and path.endswith(".part"):
            return io.BytesIO(b"\0" + bytes(file.read())[1:])
        return file

    def mv(self, path1: str, path2: str, **options: Any) -> None:
        super().mv(path1, path2, **options)
        if self.fault == "short move":
            file = self.store[self._strip_protocol(path2)]
            file.truncate(file.getbuffer().nbytes - 1)


class _FaultyFile:
    """Fails at a write of the archive or of the description, or when it is closed."""

    def __init__(self, file: Any, fault: str, *, description: bool) -> None:
        self.file, self.fault, self.description = file, fault, description
        self.written = 0

    def write(self, data: bytes) -> None:
        """Fails at the first write, at one that is short, or never."""
        self.written += len(data)
        if not self.description and (
            self.fault == "every write" or (self.fault == "last write" and self.written > 100_000 and len(data) < 65_000)
        ):
            raise OSError(28, "No space left on device")
        if self.fault == "description" and self.description:
            raise OSError(5, "Input/output error")
        self.file.write(data)

    def __enter__(self) -> _FaultyFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self.fault == "close":
            raise OSError(5, "Input/output error")
        self.file.close()


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BackupStore:
    """A store in a folder, and one on another fsspec file system."""
    url = str(tmp_path / "backups") if request.param == "folder" else f"memory://{uuid4()}/backups"
    return BackupStore(url=url, recipient=str(IDENTITY.to_public()))


def files(store: BackupStore) -> dict[str, bytes]:
    """Everything in the store, by path below its root."""
    system, root = fsspec.core.url_to_fs(store.url)
    return {str(path).removeprefix(f"{root}/"): system.cat_file(path) for path in system.find(root)}


def test_only_the_owner_of_the_identity_can_read_a_copy(store: BackupStore) -> None:
    """The content comes back with the identity; nothing of it is in the store without."""
    copy = store.write(source(), content())
    held = files(store)
    assert sorted(held) == [f"demo/{copy.name}.json", f"demo/{copy.name}.tar.zst.age"]
    assert pyrage.decrypt(held[copy.key], [IDENTITY]) == b"".join(content())
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(held[copy.key], [pyrage.x25519.Identity.generate()])
    assert not any(b"canary" in data or b"PRIVATE" in data for data in held.values())


def test_a_copy_describes_itself(store: BackupStore) -> None:
    """Size and digest are those of what is stored; the description says who can decrypt it, and where it is."""
    copy = store.write(source(etcd=EtcdCopy.DATA, etcd_reason="etcd does not answer"), content())
    stored = files(store)[copy.key]
    assert (copy.size, copy.recipient) == (len(stored), str(IDENTITY.to_public()))
    assert store.copies("demo") == (copy,)
    assert json.loads(files(store)[f"demo/{copy.name}.json"])["sha256"] == copy.sha256
    assert store.located(copy).location.endswith(f"backups/demo/{copy.name}.tar.zst.age")
    assert "etcd's data directory and PKI (etcd does not answer)" in str(store.located(copy))
    assert store.copies("other") == ()


def test_an_ssh_key_is_a_recipient(tmp_path: Path) -> None:
    """The owner decrypts with the private SSH key."""
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, stdin=subprocess.DEVNULL)
    store = BackupStore(url=str(tmp_path / "backups"), recipient=key.with_suffix(".pub").read_text())
    copy = store.write(source(), content())
    assert pyrage.decrypt(files(store)[copy.key], [pyrage.ssh.Identity.from_buffer(key.read_bytes())]) == b"".join(content())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "age1",
        "age1qqqq",
        "ssh-rsa AAAAB3NzaC1yc2E=",
        "ssh-ed25519 AAAA",
        "a passphrase",
        pytest.param(str(IDENTITY), id="a private identity"),
        pytest.param(f" {IDENTITY}".lower(), id="a private identity in lower case"),
    ],
)
def test_other_recipients_are_refused_without_being_shown(text: str) -> None:
    """Somebody may paste the private identity, and errors are logged."""
    with pytest.raises(ValidationError) as refused:
        BackupStore(recipient=text)
    assert not text.strip() or text.strip() not in str(refused.value)
    assert ("disclosed" in str(refused.value)) == ("secret" in text.lower())


@pytest.mark.parametrize(
    ("fault", "size"),
    [
        *((fault, 3_000_000) for fault in ("every write", "last write", "close", "other content", "short move", "description")),
        ("every write", 100),
    ],
)
def test_a_copy_that_the_storage_did_not_keep_whole_is_no_copy(monkeypatch: pytest.MonkeyPatch, fault: str, size: int) -> None:
    """A full disk, a failed upload, a changed byte: CopyNotStored, and no later run takes what is left for a copy.

    pyrage ignores the error of the only write of a small archive.
    """
    fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)
    monkeypatch.setattr(FaultyFileSystem, "fault", fault)
    FaultyFileSystem.store.clear()
    store = BackupStore(url="faulty://backups", recipient=str(IDENTITY.to_public()))
    with pytest.raises(CopyNotStored):
        store.write(source(), content(size))
    assert store.copies("demo") == ()
    monkeypatch.setattr(FaultyFileSystem, "fault", "")
    assert store.copies("demo") == ()
    store.write(source(1), content())
    assert len(store.copies("demo")) == 1


def test_an_error_of_the_content_is_raised_as_it_is_and_nothing_is_stored(store: BackupStore) -> None:
    """Such as a host that is lost in the middle: a task retries only its own errors."""

    class Lost(Exception):
        pass

    def lost() -> Iterator[bytes]:
        yield CANARY * 1000
        raise Lost

    with pytest.raises(Lost):
        store.write(source(), lost())
    assert files(store) == {}


def test_a_torn_description_or_archive_is_no_copy(store: BackupStore) -> None:
    """A worker or a storage that ended in the middle."""
    torn, short, good = (store.write(source(minute), content(minute)) for minute in (1, 2, 3))
    system, root = fsspec.core.url_to_fs(store.url)
    description = f"{root}/demo/{torn.name}.json"
    system.pipe_file(description, system.cat_file(description)[:50])
    system.pipe_file(f"{root}/{short.key}", system.cat_file(f"{root}/{short.key}")[:-1])
    assert store.copies("demo") == (good,)


def test_a_storage_that_cannot_be_used_is_named_without_its_password() -> None:
    """An unknown protocol, a missing package."""
    store = BackupStore(url="no-such-protocol://user:canary-of-a-password@host/backups", recipient=str(IDENTITY.to_public()))
    with pytest.raises(CopyNotStored) as fault:
        store.check()
    assert "no-such-protocol" in str(fault.value)
    assert "canary-of-a-password" not in str(fault.value)


def test_the_last_copy_of_a_test_cluster_replaces_the_earlier_ones(store: BackupStore) -> None:
    """Only those of test clusters, of the same cluster, and of this project; all other files stay."""
    kept = [
        store.write(source(1), content(1)),
        store.write(source(2, cluster="other", test=True), content(1)),
        store.write(source(9, test=True), content(1)),
    ]
    replaced = (store.write(source(3, test=True), content(1)), store.write(source(4, test=True, host="b"), content(1)))
    system, root = fsspec.core.url_to_fs(store.url)
    system.pipe_file(f"{root}/demo/notes.json", b"{}")
    system.pipe_file(f"{root}/demo/notes.tar.zst.age", b"of the owner")
    new = store.write(source(5, test=True), content(1))
    assert store.remove_replaced(new) == replaced
    assert set(files(store)) == {
        *(copy.key for copy in (*kept, new)),
        *(copy.key.replace(".tar.zst.age", ".json") for copy in (*kept, new)),
        "demo/notes.json",
        "demo/notes.tar.zst.age",
    }


def test_the_copies_of_one_run_stay_together(tmp_path: Path) -> None:
    """Each control plane has its own; a second attempt on the same host replaces the first."""
    store = BackupStore(url=str(tmp_path), recipient=str(IDENTITY.to_public()))
    first, other = (store.write(source(1, test=True, flow_run="run", host=host), content(1)) for host in "ab")
    second = store.write(source(2, test=True, flow_run="run"), content(1))
    assert store.remove_replaced(second) == (first,)
    assert store.copies("demo") == (other, second)


def test_a_copy_without_data_of_etcd_replaces_none_with_them(tmp_path: Path) -> None:
    """The second run after a reset that failed halfway finds only the keys."""
    store = BackupStore(url=str(tmp_path), recipient=str(IDENTITY.to_public()))
    whole = store.write(source(1, test=True), content(1))
    keys = store.write(source(2, test=True, etcd=EtcdCopy.NONE), content(1))
    assert store.remove_replaced(keys) == ()
    again = store.write(source(3, test=True), content(1))
    assert store.remove_replaced(again) == (whole, keys)


def test_an_archive_is_on_the_disk_before_its_description_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder stands in for a power failure of the worker, which cannot be had."""
    synced: list[int] = []

    def record_fsync(number: int) -> None:
        synced.append(os.fstat(number).st_size)
        assert list(tmp_path.rglob("*.json")) == []

    monkeypatch.setattr(os, "fsync", record_fsync)
    copy = BackupStore(url=str(tmp_path), recipient=str(IDENTITY.to_public())).write(source(), content())
    assert synced == [copy.size]


def decrypted(store: BackupStore, copy: Any, identity: Any = IDENTITY) -> bytes:
    """The content of a copy, as a restore reads it."""
    pieces = []
    with store.decrypted(copy, identity) as stream:
        while piece := stream.read(10_000):
            pieces.append(piece)
    return b"".join(pieces)


def test_a_copy_is_read_with_its_identity(store: BackupStore) -> None:
    """As a stream; a reader may leave the rest."""
    copy = store.write(source(), content())
    assert decrypted(store, copy) == b"".join(content())
    with store.decrypted(copy, IDENTITY) as stream:
        assert stream.read(10) == b"".join(content())[:10]


def test_a_reader_that_fails_is_not_kept_waiting(store: BackupStore) -> None:
    """Its own error passes through."""
    copy = store.write(source(), content())

    def fail() -> None:
        with store.decrypted(copy, IDENTITY) as stream:
            raise KeyError(stream.read(10))

    with pytest.raises(KeyError):
        fail()


def test_a_reader_that_gives_up_before_the_first_byte_is_reported_alone(store: BackupStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decryption then has a rest in its buffer for a pipe that is closed, and its thread ends without a traceback."""
    copy = store.write(source(), content(10))
    closed = threading.Event()
    close, read = backup_store._EndNoted.close, backup_store._Decryption.read

    def note_close(stream: backup_store._EndNoted) -> None:
        close(stream)
        closed.set()

    def read_later(decryption: backup_store._Decryption, size: int) -> bytes:
        assert closed.wait(10)
        return read(decryption, size)

    monkeypatch.setattr(backup_store._EndNoted, "close", note_close)
    monkeypatch.setattr(backup_store._Decryption, "read", read_later)
    with pytest.raises(KeyError), store.decrypted(copy, IDENTITY):
        raise KeyError


def test_another_identity_is_told_from_damage(store: BackupStore) -> None:
    """Both are found before anything is restored."""
    copy = store.write(source(), content())
    with pytest.raises(WrongIdentity, match="age1"):
        decrypted(store, copy, pyrage.x25519.Identity.generate())


@pytest.mark.parametrize("at", [0, 50, 150, 300, 100_000, -1])
def test_a_changed_byte_anywhere_is_damage(store: BackupStore, at: int) -> None:
    """In the header, in the first piece, in the middle, at the end."""
    copy = store.write(source(), content())
    system, root = fsspec.core.url_to_fs(store.url)
    data = bytearray(system.cat_file(f"{root}/{copy.key}"))
    data[at] ^= 1
    system.pipe_file(f"{root}/{copy.key}", bytes(data))
    with pytest.raises(CopyUnreadable) as fault:
        decrypted(store, copy)
    assert not isinstance(fault.value, WrongIdentity)


def test_a_copy_that_was_cut_is_damaged(store: BackupStore) -> None:
    """Also by one byte."""
    copy = store.write(source(), content())
    system, root = fsspec.core.url_to_fs(store.url)
    data = system.cat_file(f"{root}/{copy.key}")
    for size in (0, 100, len(data) // 2, len(data) - 1):
        system.pipe_file(f"{root}/{copy.key}", data[:size])
        with pytest.raises(CopyUnreadable):
            decrypted(store, copy)


BACKUP = CopyReason.BACKUP


def test_the_newest_copies_of_each_host_stay(store: BackupStore) -> None:
    """Those of another cluster too, and the description goes with the archive."""
    for minutes in range(4):
        store.write(source(minutes, reason=BACKUP), content(10))
        store.write(source(minutes, reason=BACKUP, cluster="other"), content(10))
    store.write(source(9, reason=BACKUP, host="b"), content(10))
    assert [copy.flow_run for copy in store.remove_outdated("demo", 2)] == ["run-0", "run-1"]
    assert [copy.flow_run for copy in store.copies("demo")] == ["run-2", "run-3", "run-9"]
    assert len(store.copies("other")) == 4
    assert len([name for name in files(store) if name.startswith("demo/")]) == 6
    assert store.remove_outdated("demo", 2) == ()


def test_the_newest_complete_copy_never_goes(store: BackupStore) -> None:
    """Although newer ones without a snapshot are counted."""
    store.write(source(0, reason=BACKUP), content(10))
    whole = store.write(source(1, reason=BACKUP), content(10))
    for minutes in (2, 3):
        store.write(source(minutes, reason=CopyReason.RESTORE, etcd=EtcdCopy.DATA), content(10))
    assert [copy.flow_run for copy in store.remove_outdated("demo", 1)] == ["run-0", "run-2"]
    assert whole in store.copies("demo")


def test_copies_from_before_a_deletion_stay_and_do_not_count(store: BackupStore) -> None:
    """A cluster that was created again under the name must not remove what is left of the first one."""
    store.write(source(0), content(10))
    store.write(source(1, reason=BACKUP), content(10))
    store.write(source(2), content(10))
    store.write(source(3, reason=BACKUP), content(10))
    assert [copy.flow_run for copy in store.remove_outdated("demo", 1)] == ["run-1"]


def test_a_description_of_an_earlier_version_is_read(store: BackupStore) -> None:
    """It has no reason and no revision: all copies were made before a deletion then."""
    copy = store.write(source(), content(10))
    system, root = fsspec.core.url_to_fs(store.url)
    path = f"{root}/demo/{copy.name}.json"
    fields = json.loads(system.cat_file(path))
    system.pipe_file(
        path, json.dumps({name: value for name, value in fields.items() if name not in {"reason", "etcd_version", "revision"}}).encode()
    )
    (found,) = store.listed("demo")
    assert (found.reason, found.etcd_version, found.revision) == (CopyReason.DELETE, "", None)


def test_a_storage_that_fails_cannot_be_listed(tmp_path: Path) -> None:
    """The error names the storage."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CopyNotStored, match="file"):
        BackupStore(url=str(tmp_path / "file"), recipient=str(IDENTITY.to_public())).listed("demo")


def test_a_store_knows_whether_an_identity_decrypts_its_copies(tmp_path: Path) -> None:
    """Also that of an SSH key; nothing is stored for it."""
    key = tmp_path / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    ssh = pyrage.ssh.Identity.from_buffer(key.read_bytes())
    stores = {
        IDENTITY: BackupStore(url=str(tmp_path / "copies"), recipient=str(IDENTITY.to_public())),
        ssh: BackupStore(url=str(tmp_path / "copies"), recipient=key.with_suffix(".pub").read_text()),
    }
    for owner, store in stores.items():
        assert [store.opens(identity) for identity in stores] == [identity is owner for identity in stores]
    assert not (tmp_path / "copies").exists()
