"""Host keys from an OpenSSH `known_hosts` file, or from what `ssh-keyscan` prints."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator

from cluster.rules.ssh import KEY_TYPES
from cluster.vocabulary.families import Address
from cluster.vocabulary.hostport import canonical_host


def known_host_key(text: str, address: str | Address, port: int) -> str | None:
    """The first of `known_host_keys`; None when there is no valid key."""
    return next(iter(known_host_keys(text, address, port)), None)


def known_host_keys(text: str, address: str | Address, port: int) -> tuple[str, ...]:
    """`TYPE BASE64` of the keys that the text has for this address (or name) and port, ed25519 first, at most one of each type.

    Names in a hashed file (`|1|SALT|HASH`) are found too; wildcards and certificate authorities are ignored.
    """
    plain = canonical_host(str(address))
    wanted = [f"[{plain}]:{port}"] if port != 22 else [plain, f"[{plain}]:22"]
    keys = {kind: f"{kind} {key}" for names, kind, key in _entries(text) if any(_names(names, name) for name in wanted)}
    return tuple(keys[kind] for kind in KEY_TYPES if kind in keys)


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    entries, revoked = [], set()
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["@revoked"] and len(words) >= 4:
            revoked.add((words[2], words[3]))
        elif len(words) >= 3 and not words[0].startswith(("#", "@")):
            entries.append((words[0], words[1], words[2]))
    # the first entry of a type has precedence: reversed, as a dict keeps the last
    for names, kind, key in reversed(entries):
        if (kind, key) not in revoked:
            yield names, kind, key


def _names(names: str, wanted: str) -> bool:
    if not names.startswith("|1|"):
        return wanted in names.lower().split(",")
    _, _, salt, digest = [*names.split("|"), "", ""][:4]
    try:
        # OpenSSH hashes the name with HMAC-SHA1 so that a stolen file does not list its hosts
        found = hmac.new(base64.b64decode(salt, validate=True), wanted.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(found, base64.b64decode(digest, validate=True))
    except (binascii.Error, ValueError):
        return False
