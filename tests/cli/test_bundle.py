"""`sixstack bundle`: exit codes and what is printed."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path, PurePosixPath

import pytest

from bundle.fetch import fetch_bundle
from bundle.layout import Place
from bundle.manifest import Architecture, BundleManifest, FileKind, manifest_sha256
from bundle.pack import describe, write_manifest
from cli.exit_codes import ENVIRONMENT, PROBLEMS, SUCCESS, USAGE
from cli.main import main
from cluster.vocabulary.releases import DEFAULT_RELEASE, KubernetesRelease


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
    assert main(["bundle", "show", str(folder)]) == SUCCESS
    assert main(["bundle", "verify", str(folder)]) == SUCCESS
    assert capsys.readouterr().out.count("small: ") == 2


def test_verify_names_what_is_not_pinned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is no fault, except with --strict."""
    assert main(["bundle", "verify", str(folder)]) == SUCCESS
    assert "not pinned: binary runc 1.3.4" in capsys.readouterr().out
    assert main(["bundle", "verify", str(folder), "--strict"]) == PROBLEMS


def test_a_pinned_bundle_passes_strictly(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is left to a server. The digest of the manifest is printed, for a comparison elsewhere."""
    document = json.loads((folder / "manifest.json").read_text())
    document["files"][0]["origin"] = {"locations": ["https://server.example/runc"], "pin": "sources", "digest_from": "the sources file"}
    (folder / "manifest.json").write_text(json.dumps(document))
    assert main(["bundle", "verify", str(folder), "--strict"]) == SUCCESS
    printed = capsys.readouterr().out
    assert "not pinned" not in printed
    assert manifest_sha256(folder) in printed


@pytest.mark.parametrize("arguments", [["verify"], ["sbom"], ["sbom", "FOLDER", "--python"], ["verify", "FOLDER", "--block", "x"]])
def test_one_subject_is_needed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A folder or a block, a folder or the Python packages."""
    with pytest.raises(SystemExit) as ended:
        main(["bundle", *arguments])
    assert ended.value.code == USAGE
    assert "usage: sixstack bundle" in capsys.readouterr().err


def test_bills_of_materials_are_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the bundle, and of the Python packages."""
    assert main(["bundle", "sbom", str(folder)]) == SUCCESS
    assert [component["name"] for component in json.loads(capsys.readouterr().out)["components"]] == ["runc"]
    assert main(["bundle", "sbom", "--python"]) == SUCCESS
    assert "prefect" in {component["name"] for component in json.loads(capsys.readouterr().out)["components"]}


def test_a_forbidden_target_is_unreadable(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that reads the bundle refuses it, with the path and what to write."""
    document = json.loads((folder / "manifest.json").read_text())
    document["files"][0]["target"] = "/etc/shadow"
    (folder / "manifest.json").write_text(json.dumps(document))
    for action in ("verify", "show", "sbom", "register"):
        assert main(["bundle", action, str(folder)]) == USAGE
        said = capsys.readouterr().err
        assert "[bundle-target-forbidden]" in said
        assert "files/0/target" in said
        assert "/usr/local/bin/runc" in said


def test_show_has_a_form_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON is the manifest."""
    assert main(["bundle", "show", str(folder), "--output", "json"]) == SUCCESS
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
    assert str(tmp_path) in capsys.readouterr().err


@pytest.mark.parametrize("command", [["bundle", "fetch"], ["lab", "bundle"]])
def test_an_unknown_kubernetes_version_is_a_usage_error(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists the versions that the command knows."""
    with pytest.raises(SystemExit) as ended:
        main([*command, "--kubernetes", "1.34.4"])
    assert ended.value.code == USAGE
    assert "1.35.4, 1.36.3, 1.37.2" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "version"), [([], DEFAULT_RELEASE.kubernetes), (["--kubernetes", "v1.37.2"], "1.37.2")])
def test_fetch_takes_the_release_of_the_option(monkeypatch: pytest.MonkeyPatch, arguments: list[str], version: str) -> None:
    """The default release without it; each release has a folder of its own."""
    fetched: list[tuple[str, str]] = []

    def fetch(folder: Path, *_: object, release: KubernetesRelease) -> Path:
        fetched.append((folder.name, release.kubernetes))
        return folder

    monkeypatch.setattr("bundle.fetch.fetch_bundle", fetch)
    assert main(["bundle", "fetch", "--architecture", "amd64", *arguments]) == SUCCESS
    assert fetched == [(f"v{version}-amd64", version)]


def test_lab_bundle_builds_the_release_of_the_option(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its folder is printed for a script to use."""
    monkeypatch.setattr("lab.build.bundle.build_bundle", lambda *, release: Path("/cache") / release.kubernetes)
    assert main(["lab", "bundle", "--kubernetes", "1.35.4"]) == SUCCESS
    assert capsys.readouterr().out == "/cache/1.35.4\n"


def test_the_bundles_of_the_cache_folder_are_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`bundle show` without a folder. A folder that has no readable manifest yet is left out."""
    monkeypatch.setattr("bundle.fetch.cache_folder", lambda: tmp_path / "cache")
    assert main(["bundle", "show"]) == USAGE
    assert "sixstack bundle fetch" in capsys.readouterr().err
    bundles = tmp_path / "cache" / "bundles"
    shutil.copytree(folder, bundles / "one")
    (bundles / "two").mkdir()
    (bundles / "two" / "manifest.json").write_text("{")
    assert main(["bundle", "show"]) == SUCCESS
    assert str(bundles / "one") in capsys.readouterr().out
    assert main(["bundle", "show", "--output", "json"]) == SUCCESS
    assert [found["folder"] for found in json.loads(capsys.readouterr().out)] == [str(bundles / "one")]


def test_a_fetch_without_a_connection_names_the_other_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """3. Nobody listens on port 9 of this machine."""
    monkeypatch.setattr("bundle.fetch.fetch_bundle", partial(fetch_bundle, pauses=()))
    assert main(["bundle", "fetch", str(tmp_path / "new"), "--base-url", "http://127.0.0.1:9"]) == ENVIRONMENT
    said = capsys.readouterr().err
    assert "--base-url" in said
    assert "sixstack lab bundle" in said
