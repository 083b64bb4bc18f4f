"""The file with the private identity: created once, readable for its owner only, and quoted nowhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pyrage
import pytest

from blocks.age_identity import IdentityUnusable, read_identity, recipient_of
from cluster.vocabulary.errors import EnvironmentFault


def test_a_new_identity_is_readable_for_its_owner_only(tmp_path: Path) -> None:
    """A second call keeps it and returns the same recipient, to which copies can be encrypted."""
    file = tmp_path / "keys" / "identity.txt"
    recipient = recipient_of(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert recipient_of(file) == recipient
    identity = pyrage.x25519.Identity.from_str(file.read_text().splitlines()[-1])
    assert pyrage.decrypt(pyrage.encrypt(b"content", [pyrage.x25519.Recipient.from_str(recipient)]), [identity]) == b"content"


def test_a_file_of_age_keygen_is_read(tmp_path: Path) -> None:
    """With the comments that age-keygen writes."""
    identity = pyrage.x25519.Identity.generate()
    file = tmp_path / "key.txt"
    file.write_text(f"# created: 2026-11-26T00:00:00Z\n# public key: {identity.to_public()}\n{identity}\n")
    assert recipient_of(file) == str(identity.to_public())


@pytest.mark.parametrize("content", [b"", b"AGE-SECRET-KEY-1CANARY\n", b"age1canary\n", "schlüssel".encode()])
def test_another_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    """Its content is in no error: it may be another private key."""
    file = tmp_path / "key.txt"
    file.write_bytes(content)
    with pytest.raises(EnvironmentFault) as fault:
        recipient_of(file)
    assert "CANARY" not in str(fault.value).upper()
    assert file.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Nothing is created."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="identity"):
        recipient_of(tmp_path / "file" / "identity.txt")


def test_an_identity_that_only_its_owner_can_read_is_read(tmp_path: Path) -> None:
    """Of age-keygen, and an SSH key."""
    file = tmp_path / "identity.txt"
    recipient = recipient_of(file)
    assert str(read_identity(file).to_public()) == recipient
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, stdin=subprocess.DEVNULL)
    public = pyrage.ssh.Recipient.from_str(key.with_suffix(".pub").read_text())
    assert pyrage.decrypt(pyrage.encrypt(b"content", [public]), [read_identity(key)]) == b"content"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o620])
def test_an_identity_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """With the command that corrects it; the content is in no error."""
    file = tmp_path / "identity.txt"
    recipient_of(file)
    file.chmod(mode)
    with pytest.raises(IdentityUnusable, match=f"{mode:04o}.*chmod 600") as fault:
        read_identity(file)
    assert "AGE-SECRET" not in str(fault.value).replace("AGE-SECRET-KEY-1...", "")


def test_what_is_no_identity_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe, other content, a broken identity, an SSH key with a passphrase."""
    key, pipe = tmp_path / "key", tmp_path / "pipe"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "canary", "-f", str(key)], check=True, stdin=subprocess.DEVNULL)
    os.mkfifo(pipe, 0o600)
    files = [tmp_path / "missing", tmp_path, pipe, key]
    for number, content in enumerate([b"", b"AGE-SECRET-KEY-1CANARY\n", "schlüssel".encode(), b"\xff"]):
        files.append(tmp_path / f"file-{number}")
        files[-1].write_bytes(content)
        files[-1].chmod(0o600)
    for file in files:
        with pytest.raises(IdentityUnusable) as fault:
            read_identity(file)
        assert "CANARY" not in str(fault.value)
