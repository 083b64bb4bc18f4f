"""The names, files and locks of a lab."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.families import Family
from lab import state
from lab.state import BOTH, Lab


@pytest.fixture(autouse=True)
def _labs_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXSTACK_LAB_STATE", str(tmp_path / "labs"))
    monkeypatch.setattr(state, "_CLAIMS", tmp_path / "claims")
    monkeypatch.setattr(state, "read_machine_networks", dict)


@pytest.mark.parametrize("name", ["demo", "a", "a-1", "ninechars"])
def test_a_short_name_is_a_labs_name(name: str) -> None:
    """Such names become link names of at most 15 characters, with the longest host number."""
    assert state.check_name(name) == name
    assert len(f"vb-{name}-20") <= 15


@pytest.mark.parametrize("name", ["", "tencharssss", "Demo", "1a", "a-", "a_b", "a/b", "..", "a b", "a\n"])
def test_another_name_is_refused(name: str) -> None:
    """A name that is not a link name, or leads out of the folder of labs, is refused."""
    with pytest.raises(ValueError, match="not a valid lab name"):
        state.check_name(name)


def test_a_lab_is_the_same_after_saving_and_loading() -> None:
    """A saved lab is loaded, and an unknown lab is None."""
    folder = state.lab_folder("x")
    folder.mkdir(parents=True)
    lab = Lab(name="x", folder=folder, index=5, hosts=2, families=(Family.IPV6,), management=BOTH, debian=13)
    state.save(lab)
    assert state.load("x") == lab
    assert state.load("y") is None


def test_a_lab_of_an_earlier_version_has_debian_12() -> None:
    """Its state file says nothing about the release."""
    folder = state.lab_folder("x")
    folder.mkdir(parents=True)
    (folder / "lab.json").write_text('{"index": 5, "hosts": 2, "families": ["ipv4"], "management": ["ipv4"]}')
    lab = state.load("x")
    assert lab is not None
    assert lab.debian == 12


def test_keys_and_passwords_are_for_root_alone_and_stay() -> None:
    """Private files have mode 0600, and asking again changes nothing."""
    folder = state.lab_folder("x")
    folder.mkdir(parents=True)
    lab = Lab(name="x", folder=folder, index=0, hosts=1, families=BOTH, management=BOTH)
    state.make_credentials(lab)
    first = (state.public_key(lab.key_file), lab.sudo_password())
    state.make_credentials(lab)
    assert (state.public_key(lab.key_file), lab.sudo_password()) == first
    assert first[0].startswith("ssh-ed25519 AAAA")
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_two_labs_get_different_ranges_and_give_them_back() -> None:
    """An index is claimed until its release, or until the folder of the lab is removed."""
    for name in ("a", "b", "c"):
        state.lab_folder(name).mkdir(parents=True)
    assert [state.claim_index(name, None) for name in ("a", "b", "a", "b")] == [0, 1, 0, 1]
    state.release_index("a")
    assert state.claim_index("c", None) == 0
    state.lab_folder("c").rmdir()
    assert state.claim_index("a", None) == 0
    for name in ("a", "b"):
        state.release_index(name)
    assert not state._CLAIMS.exists()


def test_the_error_for_a_missing_range_has_a_remedy() -> None:
    """The ninth lab is refused."""
    for number in range(9):
        state.lab_folder(f"l{number}").mkdir(parents=True)
    for number in range(8):
        state.claim_index(f"l{number}", None)
    with pytest.raises(EnvironmentFault, match="lab down"):
        state.claim_index("l8", None)


def _hold(folder: Path, log: Path, start: Barrier) -> None:
    start.wait(60)
    with state.locked(folder):
        with log.open("a") as file:
            file.write("in ")
        time.sleep(0.1)
        with log.open("a") as file:
            file.write("out ")


def test_one_process_at_a_time_holds_a_lab(tmp_path: Path) -> None:
    """Three concurrent processes get the lock one after the other."""
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    processes = [context.Process(target=_hold, args=(tmp_path / "lab", log, start)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert log.read_text().split() == ["in", "out"] * 3


def test_a_lock_on_a_removed_folder_is_not_held(tmp_path: Path) -> None:
    """A process that waited for `down` creates the removed folder again and locks it."""
    folder = tmp_path / "lab"
    with state.locked(folder):
        old = folder.stat().st_ino
        folder.rename(tmp_path / "gone")
    with state.locked(folder):
        assert folder.stat().st_ino != old
