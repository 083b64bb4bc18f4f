"""Installing the packages of a lab on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.vocabulary.errors import EnvironmentFault
from lab import packages


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with only the programs in the folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    keyring = next(proof for proof in packages.NEEDED if proof.startswith("/"))
    needed = {str(tmp_path / "keyring") if proof == keyring else proof: package for proof, package in packages.NEEDED.items()}
    monkeypatch.setattr(packages, "NEEDED", needed)
    monkeypatch.setattr(packages, "SYSTEM_PATH", str(tmp_path))
    return tmp_path


def _program(folder: Path, name: str, text: str = "exit 0") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_nothing_is_reported_or_installed_when_nothing_is_missing(bare: Path) -> None:
    """With every program and the keyring in place no apt-get is needed."""
    for program in (proof for proof in packages.NEEDED if not proof.startswith("/")):
        _program(bare, program)
    (bare / "keyring").touch()
    said: list[str] = []
    assert packages.install_missing(said.append) == []
    assert said == []


def test_without_apt_the_error_lists_what_to_install(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another distribution, the error has the list of packages."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    _program(bare, "ip")
    with pytest.raises(EnvironmentFault, match=r"apt-get.* debian-archive-keyring mmdebstrap mount systemd-container util-linux "):
        packages.install_missing(lambda _line: None)


def test_missing_packages_are_reported_and_installed(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt-get (a stand-in that records its arguments) gets exactly the missing packages, without recommended packages."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for program in (proof for proof in packages.NEEDED if not proof.startswith("/")):
        if program != "mmdebstrap":
            _program(bare, program)
    (bare / "keyring").touch()
    _program(bare, "apt-get", f'echo "$@" >> {bare}/asked')
    _program(bare, "env", 'shift; exec "$@"')
    said: list[str] = []
    assert packages.install_missing(said.append) == ["mmdebstrap"]
    assert said == ["installing Debian packages: mmdebstrap"]
    update, install = (bare / "asked").read_text().splitlines()
    assert update.startswith("update")
    assert install.endswith("mmdebstrap")
    assert "--no-install-recommends" in install
