"""The SSH host keys that a machine may present: pinned in the cluster file, or recorded on first use."""

from __future__ import annotations

import base64
import binascii
import shlex
from dataclasses import dataclass
from typing import Protocol

import paramiko

from cluster.vocabulary.errors import Bug, HostError, HostKeyMismatch
from cluster.vocabulary.host_keys import JUMP_HOST, TRUST_ON_FIRST_USE, RecordedHostKey, endpoint_name
from cluster.vocabulary.hostport import join_host_port
from cluster.vocabulary.spec import Endpoint

# a pinned `ssh-rsa` key signs with SHA-2 nowadays (RFC 8332)
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


class RecordedKeys(Protocol):
    """The host keys that a cluster's machines presented on first use. Both calls raise EnvironmentFault when the record cannot be read or written."""

    @property
    def cluster(self) -> str:
        """Name of the cluster."""

    def find(self, endpoint: str) -> RecordedHostKey | None:
        """The key of an endpoint; None before its first use."""

    def record(self, first: RecordedHostKey) -> RecordedHostKey:
        """Record a key and return the recorded one: another key if another run was first."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The keys that a machine may present; a pin without keys accepts the first key, which is then recorded."""

    keys: tuple[paramiko.PKey, ...] = ()
    source: str = "pinned is"
    remedy: str = "put its new key into ssh.host_key"

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Host key algorithms to request: a host with keys of several types must use the pinned type."""
        return tuple(algorithm for key in self.keys for algorithm in _ALGORITHMS.get(key.get_name(), (key.get_name(),)))

    def allows(self, key: paramiko.PKey) -> bool:
        """Whether a host with this key matches the pin."""
        return not self.keys or any(pinned.asbytes() == key.asbytes() for pinned in self.keys)

    def __str__(self) -> str:
        return " or ".join(described(key) for key in self.keys)


@dataclass(frozen=True, slots=True)
class Sshd:
    """An SSH server, and the key that it must present."""

    label: str  # the host in error messages
    host: str  # the host in records
    endpoint: Endpoint
    jump: Endpoint | None = None  # on the way to it

    @property
    def address(self) -> str:
        """Address and port as the cluster file spells them."""
        return join_host_port(self.endpoint.address, self.endpoint.port)

    def pin(self, recorded: RecordedKeys | None) -> Pin:
        """The key in the cluster file; with `trust-on-first-use` the recorded key, and no key before the first use. HostError without a valid key."""
        text = self.endpoint.host_key
        if text is None or text.strip() != TRUST_ON_FIRST_USE:
            return read_pin(self.label, text)
        first = recorded.find(endpoint_name(self.endpoint, self.jump)) if recorded is not None else None
        return Pin() if recorded is None or first is None else self._recorded_pin(recorded.cluster, first)

    def record(self, key: paramiko.PKey, recorded: RecordedKeys | None) -> None:
        """Record the key of the first login. HostKeyMismatch when another run has recorded another key meanwhile."""
        if recorded is None:
            raise Bug(f"{self.label}: a first host key was accepted where it cannot be recorded")
        first = recorded.record(RecordedHostKey.first_use(self.host, endpoint_name(self.endpoint, self.jump), public_text(key)))
        pin = self._recorded_pin(recorded.cluster, first)
        if not pin.allows(key):
            raise self.mismatch(pin, key)

    def mismatch(self, pin: Pin, presented: paramiko.PKey) -> HostKeyMismatch:
        """The alarm, with both fingerprints."""
        return HostKeyMismatch(
            self.label,
            f"the machine at {self.address} presents the host key {described(presented)}; {pin.source} {pin}",
            f"It may be another machine. If it was reinstalled, compare the presented key with the machine's console and {pin.remedy}. "
            f"The presented key: {public_text(presented)}",
        )

    def _recorded_pin(self, cluster: str, first: RecordedHostKey) -> Pin:
        remedy = f"forget the recorded one: sixstack pin {cluster} --forget {shlex.quote(first.forget_name)}"
        try:
            keys = (_parse_key(first.key),)
        except ValueError:
            raise HostError(
                self.label,
                f"the recorded host key of {first.endpoint} is not a public key: {first.key[:60]!r}",
                f"Correct it in the block recorded-host-keys/{cluster}, or {remedy}.",
            ) from None
        return Pin(keys, f"recorded on {first.recorded:%Y-%m-%d %H:%M} UTC is", remedy)


def jump_of(host: str, jump: Endpoint) -> Sshd:
    """The jump host on the way to a host."""
    return Sshd(f"{host} (jump host {jump.address})", JUMP_HOST, jump)


def described(key: paramiko.PKey) -> str:
    """Type and fingerprint in the form of `ssh-keygen -l`."""
    return f"{key.get_name()} {key.fingerprint}"


def public_text(key: paramiko.PKey) -> str:
    """The key in the form of a cluster file: `ssh-ed25519 AAAA...`."""
    return f"{key.get_name()} {key.get_base64()}"


def read_pin(host: str, text: str | None) -> Pin:
    """Read the pin of a cluster file: public keys, one per line; HostError for any other text."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    if not lines:
        raise HostError(
            host,
            "no SSH host key is pinned",
            f"Put the host's public key into ssh.host_key, or `{TRUST_ON_FIRST_USE}` to record its first key.",
        )
    return Pin(tuple(_read_key(host, line) for line in lines))


def _read_key(host: str, line: str) -> paramiko.PKey:
    try:
        return _parse_key(line)
    except ValueError:
        raise HostError(
            host,
            f"ssh.host_key is not a public key: {line[:60]!r}",
            "It reads `ssh-ed25519 AAAA...`, as in the host's /etc/ssh/ssh_host_ed25519_key.pub.",
        ) from None


def _parse_key(line: str) -> paramiko.PKey:
    """The key; ValueError for any other text."""
    words = line.split()
    try:
        return paramiko.PKey.from_type_string(words[0], base64.b64decode(words[1], validate=True))
    except (IndexError, binascii.Error, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        raise ValueError("not a public key") from error
