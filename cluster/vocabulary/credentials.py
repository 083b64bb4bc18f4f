"""SSH and sudo credentials. Their `repr` hides all values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A private key or a password for SSH, and a password for sudo. `repr` and `str` show only which parts are set."""

    password: str | None = None
    private_key: str | None = None  # content of the key file: OpenSSH or PEM
    passphrase: str | None = None  # of the private key
    sudo_password: str | None = None  # if different from `password`

    @classmethod
    def of_fields(cls, fields: Mapping[str, str | None]) -> Credential:
        """The credential with these fields of a block; an empty field counts as none."""
        return cls(**{name: fields.get(name) or None for name in ("password", "private_key", "passphrase", "sudo_password")})

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
