"""The systemd units of the server and the worker, without systemd."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server.services import UNITS, owner_of, unit_text, why_no_systemd


@pytest.mark.parametrize("folder", ["/srv/sixstack", "/srv/my 100% $HOME/it's"])
@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_valid_and_names_its_folder(name: str, folder: str, tmp_path: Path) -> None:
    """Also with signs that systemd would replace. systemd itself reads it."""
    unit = tmp_path / UNITS[name]
    unit.write_text(unit_text(name, Path(folder), has_server=True, is_system=True, python=sys.executable))
    assert owner_of(unit) == Path(folder)
    assert f'Environment="TMPDIR={folder.replace("%", "%%")}/tmp"\n' in unit.read_text()
    assert f"WorkingDirectory={folder.replace('%', '%%')}\n" in unit.read_text()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, timeout=60)
    assert UNITS[name] not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def test_a_program_with_special_signs_is_quoted() -> None:
    """A virtual environment can be anywhere."""
    text = unit_text("server", Path("/srv"), has_server=True, is_system=True, python='/a b/"100%"/$x/python')
    assert 'ExecStart="/a b/\\"100%%\\"/$$x/python" "-m" "server.prefect_server"' in text


def test_only_a_worker_with_its_own_server_ends_the_runs_that_were_lost() -> None:
    """Another server has other workers, whose runs are none of its business."""
    own, elsewhere = (unit_text("worker", Path("/srv"), has_server=has_server, is_system=True) for has_server in (True, False))
    assert "server.lost_runs" in own
    assert f"After=network-online.target {UNITS['server']}" in own
    assert "server.lost_runs" not in elsewhere
    assert UNITS["server"] not in elsewhere


def test_what_a_worker_writes_is_for_its_user_alone() -> None:
    """The results of runs."""
    assert "UMask=0077" in unit_text("worker", Path("/srv"), has_server=True, is_system=False)


def test_units_of_a_user_start_with_the_user(tmp_path: Path) -> None:
    """And those of root with the machine."""
    assert "WantedBy=default.target" in unit_text("server", tmp_path, has_server=True, is_system=False)
    assert "WantedBy=multi-user.target" in unit_text("server", tmp_path, has_server=True, is_system=True)


def test_a_machine_without_systemd_is_recognized(tmp_path: Path) -> None:
    """A container with another first process."""
    assert why_no_systemd(0, tmp_path / "missing") is not None
    assert why_no_systemd(0, tmp_path) is None


def test_a_missing_unit_has_no_owner(tmp_path: Path) -> None:
    """Before the first setup."""
    assert owner_of(tmp_path / "none.service") is None
