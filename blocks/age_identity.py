"""A private age identity in a file, as `age-keygen -o FILE` writes it: what is encrypted to its public recipient can only be read with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from blocks.new_file import create_file, make_private_folder
from cluster.vocabulary.errors import EnvironmentFault

_LONGEST_FILE = 100_000


def recipient_of(path: Path) -> str:
    """The public recipient of the identity in a file; a missing file is created with a new identity, readable for its owner only.

    EnvironmentFault when the file cannot be written, or has no identity.
    """
    import pyrage

    try:
        if not path.exists():
            identity = pyrage.x25519.Identity.generate()
            make_private_folder(path.parent)
            create_file(path, f"# public key: {identity.to_public()}\n{identity}\n".encode())
        with path.open(encoding="ascii") as file:
            lines = [line.strip() for line in file.read(_LONGEST_FILE).splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not an age identity"
        raise EnvironmentFault(f"the identity file {path} cannot be used: {reason}") from None
    for line in lines:
        if line.startswith("AGE-SECRET-KEY-1"):
            try:
                return str(pyrage.x25519.Identity.from_str(line).to_public())
            except pyrage.IdentityError:
                break  # the text of the error is not needed, and may have the key
    raise EnvironmentFault(f"the file {path} has no age identity (a line `AGE-SECRET-KEY-1...`)")


class IdentityUnusable(EnvironmentFault):
    """The file of an identity must not or cannot be used. The message has the path, and nothing of the content."""


def read_identity(path: Path) -> Any:
    """The private identity of a file that only its owner can read: of age, or an SSH key without passphrase. IdentityUnusable otherwise."""
    import pyrage

    try:
        # a pipe must not be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise IdentityUnusable(f"the identity file {path} cannot be read: {error.strerror}") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise IdentityUnusable(f"{path} is not a file")
    with os.fdopen(descriptor, "rb") as file:
        if found.st_mode & 0o077 or found.st_uid not in {os.geteuid(), 0}:
            mode = stat.S_IMODE(found.st_mode)
            raise IdentityUnusable(
                f"the identity file {path} can be read by others (mode {mode:04o}, owner {found.st_uid}): chmod 600 {path}"
            )
        content = file.read(_LONGEST_FILE)
    try:
        if content.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----"):
            return pyrage.ssh.Identity.from_buffer(content)
        for line in content.decode("ascii").splitlines():
            if line.strip().startswith("AGE-SECRET-KEY-1"):
                return pyrage.x25519.Identity.from_str(line.strip())
    except (pyrage.IdentityError, UnicodeDecodeError):
        pass  # the text of the error is not needed, and may have the key
    raise IdentityUnusable(f"the file {path} has no age identity (a line `AGE-SECRET-KEY-1...`) and no SSH key without passphrase")
