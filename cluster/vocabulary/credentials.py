"""What logs us in to a machine, as plain values that never show themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """A private key or a password for SSH, and a password for sudo; `repr` and `str` tell only which parts are there."""

    password: str | None = None
    private_key: str | None = None  # the text of the file: OpenSSH or PEM
    passphrase: str | None = None  # of the private key
    sudo_password: str | None = None  # where it differs from `password`

    @property
    def for_sudo(self) -> str | None:
        """What sudo is told when it asks: its own password, else that of the login."""
        return self.sudo_password or self.password

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that no log, record or message may hold."""
        return tuple(value for value in (self.password, self.private_key, self.passphrase, self.sudo_password) if value)

    def __repr__(self) -> str:
        parts = [name for name in ("password", "private_key", "passphrase", "sudo_password") if getattr(self, name)]
        return f"Credential({', '.join(f'{name}=***' for name in parts)})"
