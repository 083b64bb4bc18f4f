"""prefect.toml: a Prefect server on loopback and its clients, with a generated password that is in no other file.

Without one, every user of the machine and every page in a browser on it could read the keys and kubeconfigs in the server's blocks.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from blocks.new_file import replace_file

USER = "sixstack"  # Prefect has one credential and no users: the name is a part of the password
_TEMPLATE = Path(__file__).parent / "prefect.toml.template"


@dataclass(frozen=True)
class PrefectSettings:
    """The generated settings of one folder: `prefect` and `sixstack` use them when they run there."""

    folder: Path

    @property
    def file(self) -> Path:
        """The settings file, for its owner alone."""
        return self.folder / "prefect.toml"

    @property
    def api(self) -> str:
        """URL of the API."""
        return str(self._document()["api"]["url"])

    @property
    def ui(self) -> str:
        """Address of the UI."""
        return self.api.removesuffix("/api")

    @property
    def credential(self) -> tuple[str, str]:
        """User and password of the API; the UI asks for both, joined by a colon."""
        user, _, password = str(self._document()["api"]["auth_string"]).partition(":")
        return user, password

    def protected(self) -> bool:
        """Whether this file protects the server as `write` does; False when it is missing, or was written by an earlier version."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # missing, no TOML, or other tables
            document = self._document()
            server = document["server"]["api"]
            return (
                self.file.stat().st_mode & 0o077 == 0
                and all(self.credential)
                and server["auth_string"] == document["api"]["auth_string"]
                and server["cors_allowed_origins"] == self.ui
                and server["csrf_protection_enabled"] is True
            )
        return False

    def write(self, *, home: Path, port: int) -> None:
        """Write the file and create Prefect's home folder; the password of a protected file is kept, so that browsers stay logged in."""
        user, password = self.credential if self.protected() else (USER, secrets.token_urlsafe(32))
        text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
            home=json.dumps(str(home)), port=port, credential=json.dumps(f"{user}:{password}")
        )
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        # SQLite gives its other files the mode of the database; Prefect creates the database with the mode of the user's umask
        for name in ("prefect.db", *(path.name for path in home.glob("prefect.db-*"))):
            make_private(home / name)
        replace_file(self.file, text.encode())  # a process that has the old file open does not read the new password

    def _document(self) -> dict[str, Any]:
        return tomllib.loads(self.file.read_text(encoding="utf-8"))


def make_private(file: Path) -> None:
    """Only its owner may read the file, which is created when it does not exist."""
    file.touch(mode=0o600)
    file.chmod(0o600)
