"""The person's own kubeconfig: mode, symbolic links, locks, several files and the current context."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from cli.own_kubeconfig import merge, remove
from kube.merged_kubeconfig import Refused
from tests.kube.test_merged_kubeconfig import OWN, admin, names


def add(cluster: str = "demo", authority: str = "sha256:1", *, use: bool = False, overwrite: bool = False) -> str:
    """Merge a kubeconfig into the person's own."""
    return merge(admin(cluster), cluster, authority, use=use, overwrite=overwrite)


def current(file: Path) -> str:
    """The current context of a file."""
    return str(yaml.safe_load(file.read_text()).get("current-context", ""))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """~/.kube/config, which does not exist."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path / ".kube" / "config"


def test_a_new_file_is_for_its_owner_alone_and_has_a_current_context(config: Path) -> None:
    """There was no current context."""
    add()
    assert (config.stat().st_mode & 0o777, config.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert current(config) == "demo"
    assert list(config.parent.iterdir()) == [config], "no lock and no second file stays"


def test_the_current_context_changes_only_when_asked(config: Path) -> None:
    """With --use."""
    config.parent.mkdir()
    config.write_text(OWN)
    add()
    assert current(config) == "work"
    add(use=True)
    assert current(config) == "demo"


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_mode_and_symbolic_link_are_kept(config: Path, tmp_path: Path, mode: int) -> None:
    """The file that the link names is changed."""
    target = tmp_path / "dotfiles" / "kube"
    target.parent.mkdir()
    target.write_text(OWN)
    target.chmod(mode)
    config.parent.mkdir()
    config.symlink_to("../dotfiles/kube")
    add()
    assert config.is_symlink()
    assert target.stat().st_mode & 0o777 == mode
    assert names(target.read_text())["users"] == ["work", "demo"]


def test_a_name_that_the_person_uses_is_refused(config: Path) -> None:
    """Also with --overwrite, and in any file of KUBECONFIG."""
    config.parent.mkdir()
    config.write_text(OWN)
    for overwrite in (False, True):
        with pytest.raises(Refused, match="did not write"):
            add("work", overwrite=overwrite)
    assert config.read_text() == OWN


def test_another_cluster_of_the_same_name_is_replaced_only_when_asked(config: Path) -> None:
    """Its certificate authority is another one."""
    add()
    before = config.read_text()
    with pytest.raises(Refused, match="--overwrite"):
        add(authority="sha256:2")
    assert config.read_text() == before
    add(authority="sha256:2", overwrite=True)
    assert list(remove("demo", "sha256:1")) == [f"context demo in {config} was kept: it is of another cluster with this name"]
    assert names(config.read_text())["users"] == ["demo"]


def test_of_several_files_the_first_existing_one_gets_the_entries(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with kubectl. The current context of a later file counts, and is set there."""
    files = [tmp_path / name for name in ("missing", "first", "second")]
    files[1].write_text("apiVersion: v1\nkind: Config\n")
    files[2].write_text(OWN)
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, files)))
    add()
    assert names(files[1].read_text())["contexts"] == ["demo"]
    assert (current(files[1]), current(files[2])) == ("", "work")
    add(use=True)
    assert (current(files[1]), current(files[2])) == ("", "demo")
    assert not files[0].exists()
    assert not config.exists()
    assert "is still the current context" in "".join(remove("demo", "sha256:1"))
    assert current(files[2]) == "demo"
    with pytest.raises(Refused):
        add("work")


def test_a_locked_file_is_not_changed(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl holds this lock while it writes."""
    config.parent.mkdir()
    config.write_text(OWN)
    config.with_name("config.lock").touch()
    monkeypatch.setattr("cli.own_kubeconfig._LOCK_SECONDS", 0.1)
    with pytest.raises(Refused, match=r"config\.lock"):
        add()
    assert config.read_text() == OWN
    assert config.with_name("config.lock").exists()


def test_a_relative_path_is_locked_once(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a path and of the same path in another spelling is one file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "./x/../mine")
    (tmp_path / "x").mkdir()
    add()
    assert names((tmp_path / "mine").read_text())["users"] == ["demo"]
    assert not config.exists()
