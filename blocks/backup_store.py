"""The block for the storage of copies of etcd and PKI, which only the owner of the age identity can decrypt."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, ClassVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import ConfigDict, Field, field_validator

from blocks.storage import absolute, open_storage
from cluster.vocabulary.copies import ARCHIVE, DESCRIPTION, CopySource, LocatedCopy, SavedCopy, outdated, replaceable
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.redacted_errors import redacted_error
from cluster.vocabulary.redaction import redact

DEFAULT_FOLDER = "~/.local/share/sixstack/backups"
_PART = ".part"  # the ending of an archive that is not complete
_READ = 1 << 20


class CopyNotStored(EnvironmentFault):
    """The storage failed, or returned other bytes than those that were written."""


class CopyUnreadable(EnvironmentFault):
    """A copy cannot be decrypted, or is damaged."""


class WrongIdentity(CopyUnreadable):
    """The copy was encrypted to another recipient."""


class BackupStore(Block):
    """A folder, or another fsspec storage, with encrypted copies of etcd's data and PKI."""

    _block_type_name = "Backup store"
    _block_type_slug = "backup-store"
    _description = (
        "Storage of backups, and of copies of etcd's data and PKI before a cluster is deleted: CLUSTER/TIME.HOST.tar.zst.age with a description "
        "in JSON. "
        "Copies are encrypted with age (https://age-encryption.org) to a public recipient. Only the owner of the private identity can decrypt them: "
        "keep the identity away from this server. Use a folder of the worker's machine, or an fsspec URL (s3://, gs://, sftp://, ...)."
    )
    _code_example = """
```python
from blocks.backup_store import BackupStore

BackupStore(url="/srv/sixstack/backups", recipient="age1...").save("default", overwrite=True)
copies = BackupStore.load("default").copies("demo")
```
"""
    # a private identity that is written into the wrong field must not appear in an error
    model_config: ClassVar[ConfigDict] = ConfigDict(hide_input_in_errors=True)

    url: str = Field(default=DEFAULT_FOLDER, description="Folder on the machine of the Prefect worker, or fsspec URL.")
    options: SecretDict | None = Field(
        default=None, description="Options of the fsspec file system, such as keys and endpoints. Stored encrypted."
    )
    recipient: str = Field(
        description="Public age recipient, `age1...` (printed by `age-keygen` or `sixstack backup-key`), or an SSH public key, `ssh-ed25519 ...`."
    )

    @field_validator("recipient")
    @classmethod
    def _check_recipient(cls, text: str) -> str:
        """ValueError unless copies can be encrypted to it. The text is in no message: it may be a private key."""
        text = text.strip()
        if text.upper().startswith("AGE-SECRET-KEY-") or "PRIVATE KEY" in text:
            raise ValueError(
                "this is a private identity, and copies need the public recipient (`age1...`); consider the identity as disclosed"
            )
        _parsed(text)
        return text

    def check(self) -> None:
        """CopyNotStored when the storage cannot be used; creates its folder."""
        try:
            system, root = self._system()
            system.makedirs(root, exist_ok=True)
        except Exception as fault:  # each storage has its own, also ImportError
            raise self._fault(fault) from redacted_error(fault)

    def opens(self, identity: Any) -> bool:
        """Whether an identity decrypts what is encrypted to the recipient."""
        import pyrage

        try:
            pyrage.decrypt(pyrage.encrypt(b"", [_parsed(self.recipient)]), [identity])
        except pyrage.DecryptError:
            return False
        return True

    def located(self, copy: SavedCopy) -> LocatedCopy:
        """The copy with its place, for people: fsspec accepts a password in a URL."""
        return LocatedCopy(copy, redact(f"{absolute(self.url).rstrip('/')}/{copy.key}"))

    def write(self, source: CopySource, content: Iterator[bytes]) -> SavedCopy:
        """Encrypt and store an archive, read it back, and describe it. An error of `content` passes through, and nothing is then stored.

        The archive has a temporary name until its digest was read back. The description is written last.
        """
        plain = _Reader(content)
        try:
            return self._write(source, plain)
        except Exception as fault:
            if plain.error is not None:
                raise plain.error from None
            if isinstance(fault, CopyNotStored):
                raise
            raise self._fault(fault) from redacted_error(fault)

    def copies(self, cluster: str) -> tuple[SavedCopy, ...]:
        """The complete copies of a cluster, oldest first. Other files in the folder are ignored."""
        system, root = self._system()
        try:
            sizes = {str(entry["name"]).rpartition("/")[2]: entry["size"] for entry in system.ls(f"{root}/{cluster}", detail=True)}
        except FileNotFoundError:
            return ()
        found = []
        for name in sizes:
            if not name.endswith(DESCRIPTION):
                continue
            with suppress(ValueError, FileNotFoundError):  # a torn description, or one that another run has just removed
                copy = SavedCopy.model_validate_json(system.cat_file(f"{root}/{cluster}/{name}"))
                if copy.cluster == cluster and name == copy.name + DESCRIPTION and sizes.get(copy.name + ARCHIVE) == copy.size:
                    found.append(copy)
        return tuple(sorted(found, key=lambda copy: copy.created))

    def listed(self, cluster: str) -> tuple[SavedCopy, ...]:
        """The complete copies of a cluster, oldest first; CopyNotStored when the storage fails."""
        try:
            return self.copies(cluster)
        except Exception as fault:
            raise self._fault(fault) from redacted_error(fault)

    def remove_replaced(self, new: SavedCopy) -> tuple[SavedCopy, ...]:
        """Remove the earlier copies of a test cluster that a stored copy replaces; returns them. CopyNotStored when the storage fails."""
        return self._remove(new.cluster, lambda copies: tuple(copy for copy in copies if replaceable(copy, new)))

    def remove_outdated(self, cluster: str, kept: int) -> tuple[SavedCopy, ...]:
        """Remove all but the newest `kept` copies of a cluster, as `outdated` has them; returns them. CopyNotStored when the storage fails."""
        return self._remove(cluster, lambda copies: outdated(copies, kept))

    def _remove(self, cluster: str, chosen: Callable[[tuple[SavedCopy, ...]], tuple[SavedCopy, ...]]) -> tuple[SavedCopy, ...]:
        try:
            copies = chosen(self.copies(cluster))
            system, root = self._system()
            for copy in copies:
                # first the description: an archive without one is not a copy
                system.rm_file(f"{root}/{copy.key.removesuffix(ARCHIVE)}{DESCRIPTION}")
                system.rm_file(f"{root}/{copy.key}")
        except Exception as fault:
            raise self._fault(fault) from redacted_error(fault)
        return copies

    @contextmanager
    def decrypted(self, copy: SavedCopy, identity: Any) -> Iterator[_EndNoted]:
        """The archive of a copy as a stream, decrypted on the way. Nothing of it is on a disk.

        CopyUnreadable, at the end of the block at the latest, when the archive differs from its description or has another recipient. It replaces the
        error of a reader that found the stream too short.
        """
        system, root = self._system()
        source, target = os.pipe()
        decryption = _Decryption(lambda: system.open(f"{root}/{copy.key}", "rb"), target, copy, identity)
        thread = threading.Thread(target=decryption.run, name=f"decryption of {copy.name}", daemon=True)
        thread.start()
        stream = _EndNoted(os.fdopen(source, "rb"))
        try:
            yield stream
            while stream.read(_READ):
                pass
        except Exception as error:
            if not stream.ended:  # not the fault of the archive
                raise
            thread.join()
            raise (decryption.fault or error) from None
        finally:
            stream.close()  # ends a decryption whose rest nobody reads
            thread.join()
        if decryption.fault is not None:
            raise decryption.fault

    def _write(self, source: CopySource, plain: _Reader) -> SavedCopy:
        import pyrage

        system, root = self._system()
        folder = f"{root}/{source.cluster}"
        system.makedirs(folder, exist_ok=True)
        target = f"{folder}/{source.name}{ARCHIVE}"
        part = target + _PART
        try:
            with system.open(part, "wb") as file:
                writer = _Writer(file)
                pyrage.encrypt_io(plain, writer, [_parsed(self.recipient)])
                writer.raise_error()
                _sync(file)
            size, sha256 = _read_back(system, part)
            if (size, sha256) != (writer.size, writer.sha256.hexdigest()):
                raise self._torn(part, writer.size, size)
            system.mv(part, target)
        except BaseException:
            with suppress(Exception):  # the storage may be the fault; an incomplete archive has no description
                system.rm_file(part)
            raise
        # a storage without a rename copies
        if (stored := system.size(target)) != size:
            raise self._torn(target, size, stored)
        copy = SavedCopy(**dict(source), size=size, sha256=sha256, recipient=self.recipient)
        description = copy.model_dump_json(indent=1).encode()
        with system.open(f"{folder}/{copy.name}{DESCRIPTION}", "wb") as file:
            file.write(description)
        if system.cat_file(f"{folder}/{copy.name}{DESCRIPTION}") != description:
            raise self._torn(f"{folder}/{copy.name}{DESCRIPTION}", len(description), None)
        return copy

    def _torn(self, path: str, written: int, stored: int | None) -> CopyNotStored:
        return CopyNotStored(f"the storage at {redact(self.url)} has other content than was written to {path}: {stored} of {written} bytes")

    def _fault(self, fault: Exception) -> CopyNotStored:
        return CopyNotStored(f"the storage at {redact(self.url)} cannot be used: {redact(str(fault)) or type(fault).__name__}")

    def _system(self) -> tuple[Any, str]:
        return open_storage(self.url, self.options)


def _parsed(text: str) -> Any:
    """The recipient; ValueError for other text. The text is in no message."""
    import pyrage

    parse = {"age1": pyrage.x25519.Recipient.from_str, "ssh-ed25519 ": pyrage.ssh.Recipient.from_str}
    for beginning, read in parse.items():
        if text.startswith(beginning):
            try:
                return read(text)
            except pyrage.RecipientError as error:
                raise ValueError(f"not a valid recipient: {error}") from None
    raise ValueError(
        "expected a public age recipient, `age1...`, or an SSH public key, `ssh-ed25519 ...`; plug-ins and passphrases are not supported"
    )


def _sync(file: Any) -> None:
    """Wait until a file of this machine is on its disk: the hosts are reset after this."""
    try:
        number = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return
    file.flush()
    os.fsync(number)


def _read_back(system: Any, path: str) -> tuple[int, str]:
    """Size and sha256 of what the storage has."""
    sha256, size = hashlib.sha256(), 0
    with system.open(path, "rb") as file:
        while chunk := file.read(_READ):
            sha256.update(chunk)
            size += len(chunk)
    return size, sha256.hexdigest()


class _Decryption:
    """Writes the decrypted archive of a copy into a pipe, in a thread: pyrage wants a file to write to."""

    def __init__(self, opened: Callable[[], Any], target: int, copy: SavedCopy, identity: Any) -> None:
        self._opened, self._target, self._copy, self._identity = opened, target, copy, identity
        self._file: Any = None
        self._sha256, self._size = hashlib.sha256(), 0
        self.fault: CopyUnreadable | None = None

    def run(self) -> None:
        """Decrypt to the end, or up to the first fault."""
        pipe = os.fdopen(self._target, "wb")
        try:
            self._decrypt(pipe)
        finally:
            with suppress(BrokenPipeError):  # its buffer has a rest that nobody reads
                pipe.close()

    def _decrypt(self, pipe: IO[bytes]) -> None:
        import pyrage

        out = _Writer(pipe)
        try:
            with self._opened() as self._file:
                try:
                    pyrage.decrypt_io(self, out, [self._identity])
                finally:
                    # the digest of the whole archive tells damage from a wrong identity
                    while not out.size and self.read(_READ):
                        pass
        except Exception as error:
            damaged = (self._size, self._sha256.hexdigest()) != (self._copy.size, self._copy.sha256)
            if isinstance(error, pyrage.DecryptError) and not damaged and not out.size:
                self.fault = WrongIdentity(
                    f"the copy {self._copy.name} is encrypted to {self._copy.recipient}, and the identity has another recipient"
                )
            else:
                self.fault = CopyUnreadable(f"the copy {self._copy.name} cannot be decrypted: {redact(str(error)) or type(error).__name__}")
            return
        if (self._size, self._sha256.hexdigest()) != (self._copy.size, self._copy.sha256):
            self.fault = CopyUnreadable(f"the copy {self._copy.name} has another digest than its description")

    def read(self, size: int) -> bytes:
        """More of the archive as stored."""
        piece = bytes(self._file.read(size))
        self._sha256.update(piece)
        self._size += len(piece)
        return piece


class _EndNoted:
    """A file that notes whether it was read to its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.ended = False

    def read(self, size: int = -1) -> bytes:
        """As the file."""
        piece = self._file.read(size)
        self.ended = self.ended or (not piece and size != 0)
        return piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Reader:
    """A file of chunks, for pyrage, which replaces an error of the file by one of its own."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; b"" at the end."""
        try:
            while not self._rest:
                self._rest = memoryview(next(self._chunks))
        except StopIteration:
            return b""
        except BaseException as error:
            self.error = error
            raise
        piece, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return piece


class _Writer:
    """Forwards written data and computes its size and digest. pyrage 1.4 ignores an error of the last write, so the error is kept."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._error: Exception | None = None
        self.sha256, self.size = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        """All of the data."""
        try:
            self._out.write(data)
        except Exception as error:
            self._error = error
            raise
        self.sha256.update(data)
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        """The storage decides when it writes."""

    def raise_error(self) -> None:
        """The error of a write, if there was one."""
        if self._error is not None:
            raise self._error
