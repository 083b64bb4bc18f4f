"""SSH and sudo credentials. Their `repr` hides all values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A private key, an SSH agent or a password for SSH, and a password for sudo. `repr` and `str` show only which parts are set."""

    password: str | None = None
    private_key: str | None = None  # content of the key file: OpenSSH or PEM
    passphrase: str | None = None  # of the private key
    sudo_password: str | None = None  # if different from `password`
    agent_socket: str | None = None  # path of an SSH agent's socket on the worker's machine; no secret
    agent_key: str | None = None  # public key of the agent's key to use; None: each of its keys

    @property
    def faults(self) -> Iterator[str]:
        """Why it cannot be used, each as one clause: it needs exactly one source of a key, or a password."""
        if self.private_key and self.agent_socket:
            yield "it has both a private key and an SSH agent: keep one of them"
        if not (self.private_key or self.agent_socket or self.password):
            yield "it has neither a private key, nor an SSH agent, nor a password"
        if self.agent_key and not self.agent_socket:
            yield "it has the public key of an agent's key and no SSH agent"
        if self.agent_socket and not self.agent_socket.startswith("/"):
            yield "the path of the SSH agent's socket is not absolute"

    @classmethod
    def of_fields(cls, values: Mapping[str, str | None]) -> Credential:
        """The credential with these fields of a block; an empty field counts as none."""
        given = {field.name: values.get(field.name) or "" for field in fields(cls)}
        given |= {
            name: given[name].strip() for name in ("agent_socket", "agent_key")
        }  # no secrets: pasted into a form, perhaps with blanks
        return cls(**{name: value or None for name, value in given.items()})

    @property
    def for_sudo(self) -> str | None:
        """The password for sudo: `sudo_password`, else `password`."""
        return self.sudo_password or self.password

    @property
    def secrets(self) -> tuple[str, ...]:
        """All values that must not appear in a log, record or message."""
        return tuple(value for value in (self.password, self.private_key, self.passphrase, self.sudo_password) if value)

    def __repr__(self) -> str:
        parts = [name for name in ("password", "private_key", "passphrase", "sudo_password") if getattr(self, name)]
        return f"Credential({', '.join(f'{name}=***' for name in parts)})"
