"""Where the folder of `sixstack setup` is: a file in the user's configuration has its path, so that commands work in every folder.

Reading imports nothing beyond the standard library: every command asks.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

_NAMES_SERVER = ("PREFECT_API_URL", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH")


def pointer_file() -> Path:
    """The file with the path of the folder. It has no secret."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sixstack" / "server-folder"


def pointed_folder() -> Path | None:
    """The folder that this user set up last; None when there is none."""
    try:
        text = pointer_file().read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, ValueError, RuntimeError):  # RuntimeError: the user has no home
        return None
    return Path(text) if text else None


def point_to(folder: Path) -> None:
    """From now on, commands of this user use the server of this folder."""
    from blocks.new_file import make_private_folder, replace_file

    make_private_folder(pointer_file().parent)  # who writes the file gets the credentials that commands save
    replace_file(pointer_file(), f"{folder}\n".encode())


def remove_pointer(folder: Path) -> None:
    """Forget this folder, unless the user has set up another one."""
    if pointed_folder() == folder:
        pointer_file().unlink()


def use_pointed_server() -> None:
    """Give this process the server of the folder, unless the environment or the current folder names one.

    In variables, which Prefect and `blocks/prefect_api.py` read; they win over the user's Prefect profile, which stays as it is.
    """
    if any(name.upper() in _NAMES_SERVER for name in os.environ) or _is_named_here() or (folder := pointed_folder()) is None:
        return
    api = _table(folder / "prefect.toml").get("api")
    if isinstance(api, dict) and isinstance(api.get("url"), str) and isinstance(api.get("auth_string"), str):
        os.environ.setdefault("PREFECT_API_AUTH_STRING", api["auth_string"])
        os.environ["PREFECT_API_URL"] = api["url"]
        if isinstance(api.get("ssl_cert_file"), str):
            os.environ.setdefault("PREFECT_API_SSL_CERT_FILE", api["ssl_cert_file"])


def fault_of_settings() -> str | None:
    """Why Prefect cannot read its settings here: it ends with an error of its own. None when it can, as far as this knows."""
    from urllib.parse import urlsplit

    file = Path("prefect.toml")
    api: object = {}
    if file.exists():
        try:
            api = tomllib.loads(file.read_text(encoding="utf-8")).get("api", {})
        except OSError as error:
            return f"{file.absolute()} cannot be read: {error.strerror}"
        except ValueError as error:
            return f"{file.absolute()} is no TOML: {error}"
    if not isinstance(api, dict):
        return f"{file.absolute()}: `api` is no table: write [api]"
    for source, url in (("PREFECT_API_URL", os.environ.get("PREFECT_API_URL")), (f"{file.absolute()}: api.url", api.get("url"))):
        try:
            _ = url is None or urlsplit(url).port
        except (ValueError, TypeError, AttributeError):
            return f"{source} is no URL: {str(url)!r}. Write one such as http://127.0.0.1:4200/api"
    return None


def _is_named_here() -> bool:
    """Whether a file of the current folder, which Prefect reads, names a server."""
    try:
        dotenv = Path(".env").read_text(encoding="utf-8", errors="replace")
    except OSError:
        dotenv = ""
    return (
        Path("prefect.toml").exists()
        or any(name in dotenv.upper() for name in _NAMES_SERVER)
        or bool(_table(Path("pyproject.toml")).get("tool", {}).get("prefect"))
    )


def _table(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
