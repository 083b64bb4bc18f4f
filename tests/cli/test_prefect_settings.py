"""`sixstack prefect-settings` writes settings for a server of one's own, prints where the password is, and never the password."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.main import main
from server.settings import PrefectSettings


def test_it_writes_protected_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Into a new folder, for the port that was asked for; the command that shows the password is printed instead of the password."""
    folder = tmp_path / "srv" / "sixstack"
    assert main(["prefect-settings", str(folder), "--port", "4300"]) == SUCCESS
    settings = PrefectSettings(folder)
    assert settings.protected()
    assert settings.ui == "http://127.0.0.1:4300"
    assert (folder / "prefect").is_dir()
    printed = capsys.readouterr()
    assert f"grep -m1 auth_string {settings.file}" in printed.out
    assert settings.credential[1] not in printed.out + printed.err


def test_an_existing_file_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may have other settings, or be the demo's."""
    main(["prefect-settings", str(tmp_path)])
    file = PrefectSettings(tmp_path).file
    before = file.read_bytes()
    assert main(["prefect-settings", str(tmp_path)]) == PROBLEMS
    assert file.read_bytes() == before
    assert "does not protect" not in capsys.readouterr().err


def test_an_existing_file_without_a_password_is_reported_and_replaced_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of an earlier version of the guide."""
    settings = PrefectSettings(tmp_path)
    settings.file.write_text('[api]\nurl = "http://127.0.0.1:4200/api"\n', encoding="utf-8")
    assert main(["prefect-settings", str(tmp_path)]) == PROBLEMS
    assert "does not protect" in capsys.readouterr().err
    assert main(["prefect-settings", str(tmp_path), "--overwrite"]) == SUCCESS
    assert settings.protected()


def test_a_folder_that_cannot_be_written_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file has its name."""
    (tmp_path / "file").touch()
    assert main(["prefect-settings", str(tmp_path / "file")]) == USAGE
    assert str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "https"])
def test_a_number_that_is_no_port_is_2(tmp_path: Path, port: str) -> None:
    """Nothing is written."""
    with pytest.raises(SystemExit, match="2"):
        main(["prefect-settings", str(tmp_path), "--port", port])
    assert list(tmp_path.iterdir()) == []
