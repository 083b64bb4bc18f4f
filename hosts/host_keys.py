"""Pinned SSH host keys: what a cluster file says, as keys to compare with."""

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
    """The keys that a host may show; without any, the first one it shows is taken and told to the caller."""

    keys: tuple[paramiko.PKey, ...] = ()

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Host key algorithms to ask for: a host with keys of several types must show the type that is pinned."""
        return tuple(algorithm for key in self.keys for algorithm in _ALGORITHMS.get(key.get_name(), (key.get_name(),)))

    def allows(self, key: paramiko.PKey) -> bool:
        """Whether a host that shows this key is the one that is meant."""
        return not self.keys or any(pinned.asbytes() == key.asbytes() for pinned in self.keys)

    def __str__(self) -> str:
        return " or ".join(described(key) for key in self.keys)


def described(key: paramiko.PKey) -> str:
    """Type and fingerprint, as `ssh-keygen -l` shows it."""
    return f"{key.get_name()} {key.fingerprint}"


def public_text(key: paramiko.PKey) -> str:
    """The key as a cluster file holds it: `ssh-ed25519 AAAA...`."""
    return f"{key.get_name()} {key.get_base64()}"


def read_pin(host: str, text: str | None) -> Pin:
    """The pin of a cluster file: public keys, one a line, or the word for trust on first use; HostError when it is neither."""
    if text is not None and text.strip() == TRUST_ON_FIRST_USE:
        return Pin()
    lines = [line for line in (text or "").splitlines() if line.strip()]
    if not lines:
        raise HostError(
            host,
            "no SSH host key is pinned",
            f"Put the host's public key into ssh.host_key, or `{TRUST_ON_FIRST_USE}` to take the first it shows.",
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
