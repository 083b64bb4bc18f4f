"""The generated prefect.toml: who may read it, its password, and what counts as protected."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.settings import PrefectSettings

PORT = 4200


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The worst umask: modes come from the program alone."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def settings(tmp_path: Path) -> PrefectSettings:
    """Settings that were written once."""
    written = PrefectSettings(tmp_path)
    written.write(home=tmp_path / "prefect", port=PORT)
    return written


def mode(path: Path) -> int:
    """Permission bits."""
    return path.stat().st_mode & 0o7777


def test_only_the_owner_reads_the_settings_the_home_and_the_database(settings: PrefectSettings) -> None:
    """Whatever the umask is."""
    home = settings.folder / "prefect"
    assert (mode(settings.file), mode(home), mode(home / "prefect.db")) == (0o600, 0o700, 0o600)


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    """Home, database and SQLite's other files; their content stays."""
    home = tmp_path / "prefect"
    home.mkdir(mode=0o755)
    files = [home / name for name in ("prefect.db", "prefect.db-wal", "prefect.db-shm")]
    for file in files:
        file.write_text("content", encoding="utf-8")
    PrefectSettings(tmp_path).write(home=home, port=PORT)
    assert mode(home) == 0o700
    assert [(mode(file), file.read_text(encoding="utf-8")) for file in files] == [(0o600, "content")] * 3


def test_server_and_clients_have_the_same_random_password(settings: PrefectSettings, tmp_path: Path) -> None:
    """256 random bits, of another value in another folder."""
    document = tomllib.loads(settings.file.read_text(encoding="utf-8"))
    assert document["server"]["api"]["auth_string"] == document["api"]["auth_string"] == ":".join(settings.credential)
    other = PrefectSettings(tmp_path / "other")
    other.write(home=tmp_path / "other" / "prefect", port=PORT)
    assert len(settings.credential[1]) >= 43  # base64 of 32 bytes
    assert other.credential != settings.credential


def test_the_command_that_is_told_everywhere_shows_the_password(settings: PrefectSettings) -> None:
    """The UI asks for the text between the quotes."""
    shown = subprocess.run(["grep", "-m1", "auth_string", settings.file], capture_output=True, text=True, check=True, timeout=10).stdout
    assert shown.split('"')[1] == ":".join(settings.credential)


def test_only_pages_of_the_ui_may_call_the_api(settings: PrefectSettings) -> None:
    """Of the one origin at which the UI is."""
    server = tomllib.loads(settings.file.read_text(encoding="utf-8"))["server"]["api"]
    assert (server["cors_allowed_origins"], server["csrf_protection_enabled"]) == (f"http://127.0.0.1:{PORT}", True)
    assert server["host"] == "127.0.0.1"


def test_a_protected_file_keeps_its_password(settings: PrefectSettings) -> None:
    """Browsers stay logged in when the server starts again, also on another port."""
    before = settings.credential
    settings.write(home=settings.folder / "prefect", port=PORT + 1)
    assert settings.protected()
    assert settings.credential == before
    assert settings.ui.endswith(str(PORT + 1))


def test_a_password_that_others_could_read_is_replaced(settings: PrefectSettings) -> None:
    """The mode of the file was changed."""
    before = settings.credential
    settings.file.chmod(0o644)
    assert not settings.protected()
    settings.write(home=settings.folder / "prefect", port=PORT)
    assert settings.protected()
    assert settings.credential != before


@pytest.mark.parametrize(
    ("pattern", "instead"),
    [
        (r"auth_string = .*", ""),
        (r"(?s)auth_string = [^\n]*(.*)", r"\1"),  # of the clients alone
        (r'auth_string = ".*"', 'auth_string = ""'),
        (r'auth_string = ".*"', 'auth_string = "sixstack:"'),
        (r"(\[server.api\]\n[^[]*auth_string = ).*", r'\1"sixstack:another"'),
        (r"cors_allowed_origins = .*", ""),
        (r"cors_allowed_origins = .*", 'cors_allowed_origins = "*"'),
        (r"csrf_protection_enabled = true", "csrf_protection_enabled = false"),
        (r"csrf_protection_enabled = true", ""),
        (r"(?s).*", ""),
        (r"(?s).*", "no TOML"),
        (r"(?s).*", 'api = "http"'),
    ],
)
def test_a_file_without_one_of_the_protections_is_not_protected(settings: PrefectSettings, pattern: str, instead: str) -> None:
    """And gets all of them when it is written again."""
    assert settings.protected()
    text = settings.file.read_text(encoding="utf-8")
    settings.file.write_text(re.sub(pattern, instead, text, count=0 if pattern.startswith("auth") else 1), encoding="utf-8")
    assert settings.file.read_text(encoding="utf-8") != text
    assert not settings.protected()
    settings.write(home=settings.folder / "prefect", port=PORT)
    assert settings.protected()


def test_no_file_is_not_protected(tmp_path: Path) -> None:
    """Before the first start."""
    assert not PrefectSettings(tmp_path).protected()


def test_the_password_is_not_in_the_description_of_the_object(settings: PrefectSettings) -> None:
    """As it stands in a traceback."""
    assert settings.credential[1] not in repr(settings)


POSTGRES = 'postgresql+asyncpg://sixstack:pass"word@db.example/sixstack'


def test_a_database_elsewhere_is_kept_with_its_password(settings: PrefectSettings, tmp_path: Path) -> None:
    """In this file alone, which stays as protected as before."""
    databases = [settings.database]
    settings.write(home=tmp_path / "prefect", port=PORT, database=POSTGRES)
    databases.append(settings.database)
    assert settings.protected()
    assert (databases, settings.has_server, mode(settings.file)) == ([None, POSTGRES], True, 0o600)


def test_a_server_behind_a_proxy_gives_browsers_and_links_its_public_address(settings: PrefectSettings, tmp_path: Path) -> None:
    """The API of the UI, and the links of notifications. The commands of this machine go on to use loopback."""
    assert (settings.ui, settings.public_url) == (f"http://127.0.0.1:{PORT}", None)
    settings.write(home=tmp_path / "prefect", port=PORT, public_url="https://prefect.example")
    document = tomllib.loads(settings.file.read_text(encoding="utf-8"))
    assert (document["ui_url"], document["server"]["ui"]["api_url"]) == ("https://prefect.example", "https://prefect.example/api")
    assert (settings.ui, settings.public_url, settings.api) == (document["ui_url"], document["ui_url"], f"http://127.0.0.1:{PORT}/api")
    assert settings.protected()


def test_the_file_of_an_authority_is_for_the_clients(tmp_path: Path) -> None:
    """Prefect reads it for HTTP and WebSocket."""
    settings = PrefectSettings(tmp_path)
    settings.write_for("https://prefect.example/api", "user:password", home=tmp_path / "prefect")
    held = [settings.authority]
    settings.write_for("https://prefect.example/api", "user:password", home=tmp_path / "prefect", authority=tmp_path / 'c"a.pem')
    assert [*held, settings.authority] == [None, str(tmp_path / 'c"a.pem')]


def test_a_server_elsewhere_has_clients_alone(tmp_path: Path) -> None:
    """No setting of a server, so that none starts here by accident with them."""
    settings = PrefectSettings(tmp_path)
    assert not settings.complete()
    settings.write_for("https://prefect.example/api", "user:pass:word", home=tmp_path / "prefect")
    assert (settings.api, settings.credential, settings.has_server) == ("https://prefect.example/api", ("user", "pass:word"), False)
    assert (settings.complete(), mode(settings.file), mode(tmp_path / "prefect")) == (True, 0o600, 0o700)
