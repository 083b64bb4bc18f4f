"""prefect.toml: a Prefect server on loopback and its clients, with a generated password that is in no other file. Or a server elsewhere.

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
_HERE = Path(__file__).parent


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
        """Address of the UI, behind a reverse proxy if there is one."""
        return str(self._document().get("ui_url") or self._origin)

    @property
    def public_url(self) -> str | None:
        """Address of the UI behind a reverse proxy; None when there is none, or no file."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return None if self.ui == self._origin else self.ui
        return None

    @property
    def authority(self) -> str | None:
        """The file with the certificates of the authorities that may have issued the server's one; None for those of Mozilla's list."""
        file = self._document()["api"].get("ssl_cert_file")
        return None if file is None else str(file)

    @property
    def _origin(self) -> str:
        return self.api.removesuffix("/api")

    @property
    def credential(self) -> tuple[str, str]:
        """User and password of the API; the UI asks for both, joined by a colon."""
        user, _, password = str(self._document()["api"]["auth_string"]).partition(":")
        return user, password

    @property
    def has_server(self) -> bool:
        """Whether the server runs with this file, and not elsewhere."""
        return "server" in self._document()

    @property
    def database(self) -> str | None:
        """The connection URL of a PostgreSQL database, with its password; None for SQLite in Prefect's home, or when there is no file."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return str(self._document()["server"]["database"]["connection_url"])
        return None

    def complete(self) -> bool:
        """Whether the file names a server and its password."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return bool(self.api) and all(self.credential)
        return False

    def private(self) -> bool:
        """Whether there is a file, and only its owner can read it."""
        return self.file.exists() and self.file.stat().st_mode & 0o077 == 0

    def protected(self) -> bool:
        """Whether this file protects the server as `write` does; False when it is missing, or was written by an earlier version."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # missing, no TOML, or other tables
            document = self._document()
            server = document["server"]["api"]
            return (
                self.private()
                and all(self.credential)
                and server["auth_string"] == document["api"]["auth_string"]
                and server["cors_allowed_origins"] == self._origin
                and server["csrf_protection_enabled"] is True
            )
        return False

    def write(self, *, home: Path, port: int, database: str | None = None, public_url: str | None = None) -> None:
        """Write the file and create Prefect's home folder; the password of a protected file is kept, so that browsers stay logged in.

        `database`: the connection URL of a PostgreSQL database, with its password. `public_url`: the address of the UI behind a reverse proxy.
        """
        user, password = self.credential if self.protected() else (USER, secrets.token_urlsafe(32))
        ui = public_url or f"http://127.0.0.1:{port}"
        values = {"home": json.dumps(str(home)), "port": str(port), "credential": json.dumps(f"{user}:{password}")}
        values |= {"ui": json.dumps(ui), "ui_api": json.dumps(f"{ui}/api")}
        text = _filled("prefect.toml.template", values)
        if database is not None:
            text += _filled("database.toml.template", {"url": json.dumps(database)})
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
        # SQLite gives its other files the mode of the database; Prefect creates the database with the mode of the user's umask
        for name in ("prefect.db", *(path.name for path in home.glob("prefect.db-*"))):
            make_private(home / name)
        replace_file(self.file, text.encode())  # a process that has the old file open does not read the new password

    def write_for(self, url: str, auth: str, *, home: Path, authority: Path | None = None) -> None:
        """Write the file for the clients of a server elsewhere, with its password (USER:PASSWORD) and the file of its authority."""
        values = {"home": json.dumps(str(home)), "url": json.dumps(url), "credential": json.dumps(auth)}
        text = _filled("client.toml.template", values | {"authority": _authority(authority)})
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self.file, text.encode())

    def _document(self) -> dict[str, Any]:
        return tomllib.loads(self.file.read_text(encoding="utf-8"))


def _authority(file: Path | None) -> str:
    if file is None:
        return ""
    return f"# of the authority that issued the server's certificate\nssl_cert_file = {json.dumps(str(file))}\n"


def _filled(template: str, values: dict[str, str]) -> str:
    return Template((_HERE / template).read_text(encoding="utf-8")).substitute(values)


def make_private(file: Path) -> None:
    """Only its owner may read the file, which is created when it does not exist."""
    file.touch(mode=0o600)
    file.chmod(0o600)
