"""Commands in texts can be pasted, whether or not the virtual environment is activated."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.main import main
from cli.programs import runnable

OWN = Path(sys.executable).with_name("sixstack")
TEXT = "the files of sixstack: `sixstack server up`, or: sixstack credential add default --key FILE; ~/sixstack check"


def test_the_program_of_the_path_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is replaced."""
    monkeypatch.setenv("PATH", str(OWN.parent))
    assert runnable(TEXT) == TEXT


@pytest.mark.parametrize("other", [True, False])
def test_without_it_or_with_another_one_commands_have_its_path(other: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands only: the name of the project stays, and a path too."""
    if other:
        (tmp_path / "sixstack").write_text("")
        (tmp_path / "sixstack").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    expected = f"the files of sixstack: `{OWN} server up`, or: {OWN} credential add default --key FILE; ~/sixstack check"
    assert runnable(TEXT) == expected


def test_errors_and_problems_are_runnable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever package wrote them."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["server", "up", "--folder", str(tmp_path)]) == 3
    assert f"{OWN} setup" in capsys.readouterr().err
    file = tmp_path / "demo.yaml"
    example = Path(__file__).parents[2] / "deployments" / "examples" / "ipv4.yaml"
    file.write_text(example.read_text().replace("host_key:", "# host_key:", 1))
    main(["check", str(file)])
    assert f"{OWN} pin FILE" in capsys.readouterr().out
