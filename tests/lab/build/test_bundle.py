"""The real bundle, with the real programs that are in it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle.manifest import FileKind, read_manifest
from bundle.unpack import unpack
from bundle.verify import verify_bundle
from demo.local_prefect import SIXSTACK
from lab.build.bundle import build_bundle

pytestmark = pytest.mark.bundle


def output(*argv: str | Path) -> str:
    """What a program prints."""
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=True, timeout=120).stdout


def test_every_file_is_as_the_manifest_says(bundle_folder: Path) -> None:
    """Sizes and digests of the whole bundle."""
    verify_bundle(bundle_folder, read_manifest(bundle_folder))


def test_a_second_build_is_over_at_once(bundle_folder: Path) -> None:
    """Nothing is said and nothing is done: a build takes minutes."""
    said: list[str] = []
    started = time.monotonic()
    assert build_bundle(said.append) == bundle_folder
    assert time.monotonic() - started < 30
    assert said == []


def test_the_images_are_those_that_kubeadm_asks_for(bundle_folder: Path, tmp_path: Path) -> None:
    """The list is kubeadm's own; a name that differs by one character would be pulled from the internet."""
    manifest = read_manifest(bundle_folder)
    kubeadm = unpack(bundle_folder, "kubeadm", tmp_path / "kubeadm")
    wanted = output(kubeadm, "config", "images", "list", "--kubernetes-version", manifest.kubernetes_version).split()
    assert len(wanted) == 7
    assert set(wanted) <= set(manifest.images)


def test_programs_are_static(bundle_folder: Path, tmp_path: Path) -> None:
    """A bare host has no libseccomp, and may have another libc."""
    for file in read_manifest(bundle_folder).files:
        if file.kind in (FileKind.BINARY, FileKind.CNI_PLUGIN):
            program = unpack(bundle_folder, file.name, tmp_path / file.name)
            found = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False, timeout=30)
            assert "not a dynamic executable" in found.stdout + found.stderr, file.name


@pytest.mark.parametrize(
    ("name", "argument"),
    [("kubeadm", "version"), ("kubelet", "--version"), ("containerd", "--version"), ("ctr", "--version"), ("runc", "--version")],
)
def test_programs_report_the_version_of_the_manifest(bundle_folder: Path, tmp_path: Path, name: str, argument: str) -> None:
    """kubeadm takes itself for v0.0.0 when it is built without its version."""
    version = next(file.version for file in read_manifest(bundle_folder).files if file.name == name)
    assert re.search(rf"\bv?{re.escape(version)}\b", output(unpack(bundle_folder, name, tmp_path / name), argument))


@pytest.fixture(scope="module")
def containerd(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """The bundle's containerd, private to this test; gives its `ctr`."""
    folder = tmp_path_factory.mktemp("containerd")
    ctr = unpack(bundle_folder, "ctr", folder / "bin" / "ctr")
    program = unpack(bundle_folder, "containerd", folder / "bin" / "containerd")
    socket = folder / "containerd.sock"
    settings = f'version = 3\nroot = "{folder}/root"\nstate = "{folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
    (folder / "config.toml").write_text(f'{settings}[grpc]\naddress = "{socket}"\n')
    with (folder / "log").open("w") as log:
        daemon = subprocess.Popen([str(program), "--config", str(folder / "config.toml")], stdout=log, stderr=log)
    try:
        ends = time.monotonic() + 120
        while not socket.exists():
            assert daemon.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < ends, (folder / "log").read_text()
            time.sleep(0.05)
        yield lambda *arguments: output(ctr, "--address", socket, "--namespace", "k8s.io", *arguments)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30)


def test_containerd_takes_every_image(bundle_folder: Path, containerd: Callable[..., str]) -> None:
    """Imported and unpacked by the bundle's own containerd, under the very names of the manifest."""
    manifest = read_manifest(bundle_folder)
    for file in manifest.files:
        if file.kind is FileKind.IMAGE:
            containerd("images", "import", str(bundle_folder / file.path))
    assert {name for name in containerd("images", "ls", "-q").split() if not name.startswith("sha256:")} == set(manifest.images)


def test_a_build_that_was_killed_is_finished_by_the_next(tmp_path: Path, bundle_folder: Path) -> None:
    """kill -9 while parts are packed; what is left behind is swept, and the bundle comes out the same."""
    # the compiled programs of the real cache, so that this takes seconds; everything else is made anew
    parts = tmp_path / "parts"
    parts.mkdir()
    for part in (bundle_folder.parents[1] / "parts").iterdir():
        packed = re.search(r"\.(tar|layer|gz)-", part.name) and not part.name.startswith("base.tree.tar")
        if not packed and not part.name.startswith("."):
            os.link(part, parts / part.name)

    def whole() -> int:
        return len([part for part in parts.iterdir() if not part.name.startswith(".")])

    environment = {**os.environ, "SIXSTACK_CACHE": str(tmp_path)}
    command = [*SIXSTACK, "lab", "bundle"]
    for finished_parts in (0, 2):  # parts that this builder has finished when it is killed, each with the file that names its digest
        parts_before = whole()
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as builder:
            ends = time.monotonic() + 300
            while not list(parts.glob(".partial-*")) or whole() < parts_before + 2 * finished_parts:
                assert builder.poll() is None
                assert time.monotonic() < ends
                time.sleep(0.01)
            builder.kill()
    assert not list((tmp_path / "bundles").glob("lab-*"))
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600)
    folder = Path(finished.stdout.strip())
    made, before = read_manifest(folder), read_manifest(bundle_folder)
    assert made.name == before.name
    assert {file.path: file for file in made.files} == {file.path: file for file in before.files}
    verify_bundle(folder, read_manifest(folder))
    assert not list((tmp_path / "bundles").glob(".partial-*"))
    assert not list(parts.glob(".partial-*"))
