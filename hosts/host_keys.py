"""Pinned SSH host keys of a cluster file."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import paramiko

from cluster.vocabulary.errors import HostError

TRUST_ON_FIRST_USE = "trust-on-first-use"
# a pinned `ssh-rsa` key signs with SHA-2 nowadays (RFC 8332)
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class Pin:
    """The keys that a host may have; a pin without keys accepts the first key, and the caller records it."""

    keys: tuple[paramiko.PKey, ...] = ()

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Host key algorithms to request: a host with keys of several types must use the pinned type."""
        return tuple(algorithm for key in self.keys for algorithm in _ALGORITHMS.get(key.get_name(), (key.get_name(),)))

    def allows(self, key: paramiko.PKey) -> bool:
        """Whether a host with this key matches the pin."""
        return not self.keys or any(pinned.asbytes() == key.asbytes() for pinned in self.keys)

    def __str__(self) -> str:
        return " or ".join(described(key) for key in self.keys)


def described(key: paramiko.PKey) -> str:
    """Type and fingerprint in the form of `ssh-keygen -l`."""
    return f"{key.get_name()} {key.fingerprint}"


def public_text(key: paramiko.PKey) -> str:
    """The key in the form of a cluster file: `ssh-ed25519 AAAA...`."""
    return f"{key.get_name()} {key.get_base64()}"


def read_pin(host: str, text: str | None) -> Pin:
    """Read the pin of a cluster file: public keys, one per line, or `trust-on-first-use`; HostError for any other text."""
    if text is not None and text.strip() == TRUST_ON_FIRST_USE:
        return Pin()
    lines = [line for line in (text or "").splitlines() if line.strip()]
    if not lines:
        raise HostError(
            host,
            "no SSH host key is pinned",
            f"Put the host's public key into ssh.host_key, or `{TRUST_ON_FIRST_USE}` to accept its first key.",
        )
    return Pin(tuple(_read_key(host, line) for line in lines))


def _read_key(host: str, line: str) -> paramiko.PKey:
    words = line.split()
    try:
        return paramiko.PKey.from_type_string(words[0], base64.b64decode(words[1], validate=True))
    except (IndexError, binascii.Error, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        raise HostError(
            host,
            f"ssh.host_key is not a public key: {line[:60]!r}",
            "It reads `ssh-ed25519 AAAA...`, as in the host's /etc/ssh/ssh_host_ed25519_key.pub.",
        ) from None
