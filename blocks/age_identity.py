"""A private age identity in a file, as `age-keygen -o FILE` writes it: what is encrypted to its public recipient can only be read with it."""

from __future__ import annotations

from pathlib import Path

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
