"""`sixstack bundle`: exit codes and what is printed."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

import pytest

from bundle.layout import Place
from bundle.manifest import Architecture, BundleManifest, FileKind
from bundle.pack import describe, write_manifest
from cli.exit_codes import ENVIRONMENT, GOOD, PROBLEMS, USAGE
from cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of one file."""
    path = Path("runc")
    (tmp_path / path).write_text("program")
    place = Place("runc", FileKind.BINARY, PurePosixPath("runc"), "1.3.4", target=PurePosixPath("/usr/local/bin/runc"), mode=0o755)
    file = describe(place, tmp_path / path, tmp_path / path)
    write_manifest(tmp_path, BundleManifest(name="small", kubernetes_version="v1.36.3", architecture=Architecture.AMD64, files=(file,)))
    return tmp_path


def test_a_good_bundle_is_shown_and_verified(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both exit with 0 and name the bundle."""
    assert main(["bundle", "show", str(folder)]) == GOOD
    assert main(["bundle", "verify", str(folder)]) == GOOD
    assert capsys.readouterr().out.count("small: ") == 2


def test_show_has_a_form_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON is the manifest."""
    assert main(["bundle", "show", str(folder), "--output", "json"]) == GOOD
    assert BundleManifest.model_validate(json.loads(capsys.readouterr().out)).name == "small"


def test_a_changed_file_is_a_problem(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and the file is named."""
    (folder / "runc").write_text("changed")
    assert main(["bundle", "verify", str(folder)]) == PROBLEMS
    assert str(folder / "runc") in capsys.readouterr().err


def test_a_folder_without_a_bundle_is_unreadable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and how to get a bundle."""
    assert main(["bundle", "verify", str(tmp_path)]) == USAGE
    assert main(["bundle", "show", str(tmp_path)]) == USAGE
    assert "sixstack bundle fetch" in capsys.readouterr().err


def test_sources_that_cannot_be_read_are_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, every field named."""
    (tmp_path / "sources.yaml").write_text("releases: []\n")
    assert main(["bundle", "fetch", str(tmp_path / "bundle"), "--sources", str(tmp_path / "sources.yaml")]) == USAGE
    said = capsys.readouterr().err
    assert "releases" in said
    assert "registries" in said


def test_a_folder_of_somebody_else_is_not_filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3, before anything is asked from anywhere."""
    (tmp_path / "mine").write_text("precious")
    assert main(["bundle", "fetch", str(tmp_path)]) == ENVIRONMENT
    assert "name another folder" in capsys.readouterr().err
