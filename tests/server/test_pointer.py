"""Commands find the server of `sixstack setup` in every folder, and every other source of settings wins over it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli.main import main
from server.pointer import point_to, pointed_folder, pointer_file, remove_pointer, use_pointed_server

TOML = '[api]\nurl = "http://127.0.0.1:4200/api"\nauth_string = "sixstack:secret"\n'
FOUND = {"PREFECT_API_URL": "http://127.0.0.1:4200/api", "PREFECT_API_AUTH_STRING": "sixstack:secret"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that was set up; the current folder is another one, without any settings of Prefect."""
    for name in [name for name in os.environ if name.upper().startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    place, current = tmp_path / "srv", tmp_path / "current"
    place.mkdir()
    current.mkdir()
    (place / "prefect.toml").write_text(TOML)
    monkeypatch.chdir(current)
    point_to(place)
    return place


def used(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that the function adds to those of this process."""
    before = dict(os.environ)
    use_pointed_server()
    added = {name: value for name, value in os.environ.items() if before.get(name) != value}
    for name in added:
        monkeypatch.delenv(name)
    return added


def test_the_server_is_found_from_every_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pointer has the path; the password stays in prefect.toml alone."""
    assert used(monkeypatch) == FOUND
    assert pointer_file().read_text() == f"{folder}\n"


def test_the_authority_of_the_server_is_found_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else no command could verify the server's certificate in another folder. A variable of the user wins."""
    (folder / "prefect.toml").write_text(TOML + 'ssl_cert_file = "/etc/ca.pem"\n')
    assert used(monkeypatch) == FOUND | {"PREFECT_API_SSL_CERT_FILE": "/etc/ca.pem"}
    monkeypatch.setenv("PREFECT_API_SSL_CERT_FILE", "/home/ca.pem")
    assert used(monkeypatch) == FOUND


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("prefect.toml", '[api]\nurl = "http://127.0.0.1:4300/api"\n'),
        (".env", "PREFECT_API_URL=http://127.0.0.1:4300/api\n"),
        (".env", "prefect_profile=mine\n"),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://127.0.0.1:4300/api"\n'),
    ],
)
def test_a_file_of_the_current_folder_wins(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str) -> None:
    """As in a checkout with the demo's server."""
    assert folder.exists()
    Path(file).write_text(text)
    assert used(monkeypatch) == {}


@pytest.mark.parametrize("file", [".env", "pyproject.toml", "other.toml"])
def test_a_file_that_names_no_server_does_not(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """A project of another kind, or a file that cannot be read."""
    assert folder.exists()
    Path(file).write_bytes(b"COLOUR=\xff\n")
    assert used(monkeypatch) == FOUND


@pytest.mark.parametrize("name", ["PREFECT_API_URL", "prefect_api_url", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH"])
def test_a_variable_wins(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """And its server does not get the password of another one."""
    assert folder.exists()
    monkeypatch.setenv(name, "http://127.0.0.1:4300/api")
    assert used(monkeypatch) == {}


@pytest.mark.parametrize("text", ["", "not TOML", "[api]\n", '[api]\nurl = "http://127.0.0.1:4200/api"\n'])
def test_a_folder_without_url_and_password_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """It was removed by hand, or is being written."""
    (folder / "prefect.toml").write_text(text)
    assert used(monkeypatch) == {}


def test_the_last_folder_counts_and_only_its_own_purge_forgets_it(folder: Path, tmp_path: Path) -> None:
    """A second setup replaces the first one."""
    point_to(tmp_path / "second")
    remove_pointer(folder)
    assert pointed_folder() == tmp_path / "second"
    remove_pointer(tmp_path / "second")
    assert pointed_folder() is None


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (b"\xff", None),
        (b"api = 1", None),
        (b"[api]\nurl = 'http://[::1/api'", None),
        (b"[api]\nurl = 5", None),
        (b"", "http://[::1/api"),
        (b"", "http://h:p"),
    ],
)
def test_settings_that_prefect_cannot_read_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: bytes, url: str | None
) -> None:
    """Prefect ends with a traceback. Any other error is a bug, and keeps its own."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("server.pointer.use_pointed_server", lambda: None)
    monkeypatch.setattr("cli.clusters.run", lambda _: json.loads("no JSON"))
    with pytest.raises(ValueError, match="Expecting value"):
        main(["clusters"])
    Path("prefect.toml").write_bytes(text)
    if url is not None:
        monkeypatch.setenv("PREFECT_API_URL", url)
    assert main(["clusters"]) == 3
    assert ("PREFECT_API_URL" if url else "prefect.toml") in capsys.readouterr().err
