"""SSH host keys that were recorded on first use, and the endpoints that they belong to."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

from pydantic import Field

from cluster.vocabulary.hostport import canonical_host, join_host_port
from cluster.vocabulary.spec import Endpoint, SpecModel

TRUST_ON_FIRST_USE = "trust-on-first-use"
JUMP_HOST = "jump host"  # in place of a name: several hosts share a jump host


class RecordedHostKey(SpecModel):
    """The key that one SSH endpoint presented on first use."""

    host: str = Field(description="Name of the host in the cluster file, or `jump host`.")
    endpoint: str = Field(description="Address and port of sshd, and those of its jump host.")
    fingerprint: str = Field(description="Type and SHA-256 fingerprint of the key, as `ssh-keygen -l` prints them.")
    recorded: datetime = Field(description="Time of the first login.")
    key: str = Field(description="Public key. Only this field is compared.")

    @classmethod
    def first_use(cls, host: str, endpoint: str, key: str) -> RecordedHostKey:
        """The record of a key (`TYPE BASE64`) at the time of the first login."""
        return cls(host=host, endpoint=endpoint, fingerprint=fingerprint(key), recorded=datetime.now(UTC).replace(microsecond=0), key=key)

    @property
    def forget_name(self) -> str:
        """What `sixstack pin CLUSTER --forget` calls it."""
        return self.endpoint if self.host == JUMP_HOST else self.host


def fingerprint(key: str) -> str:
    """Type and fingerprint of a public key (`TYPE BASE64`), in the form of `ssh-keygen -l`."""
    kind, encoded = key.split()[:2]
    digest = hashlib.sha256(base64.b64decode(encoded)).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def endpoint_name(endpoint: Endpoint, jump: Endpoint | None = None) -> str:
    """One name for all spellings of an endpoint. A private address behind another jump host is another machine."""
    name = join_host_port(canonical_host(endpoint.address), endpoint.port)
    return name if jump is None else f"{name} via {endpoint_name(jump)}"
