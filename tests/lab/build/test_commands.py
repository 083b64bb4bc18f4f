"""What is built from source, against the modules that pin it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bundle.layout import places
from bundle.manifest import FileKind
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.releases import DEFAULT_RELEASE, RELEASES, KubernetesRelease
from lab.build.bundle import build_bundle
from lab.build.commands import go_commands
from lab.build.golang import MODULES, GoCommand
from lab.build.images import RECIPES

every_release = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.kubernetes)


def required(command: GoCommand) -> Iterator[tuple[str, str]]:
    """Modules and versions that the command's go.mod requires; a commit's version stands in the comment behind it."""
    text = (MODULES / command.module / "go.mod").read_text()
    yield from re.findall(r"^\s*(?:require )?(\S+) (?:v0\.0\.0-\S+ // )?(v\S+)", text, re.M)


@every_release
@pytest.mark.parametrize(
    ("command", "component"),
    [
        ("kubeadm", "kubernetes"),
        ("agnhost", "kubernetes"),
        ("etcd", "etcd"),
        ("etcdctl", "etcd"),
        ("etcdutl", "etcd"),
        ("coredns", "coredns"),
        ("containerd", "containerd"),
        ("runc", "runc"),
        ("bridge", "cni_plugins"),
        ("flanneld", "flannel"),
        ("calico-node", "calico"),
    ],
)
def test_the_version_in_the_manifest_is_the_one_that_is_built(release: KubernetesRelease, command: str, component: str) -> None:
    """go.mod and the table of releases are two places that must agree."""
    found = go_commands(release)[command]
    assert f"v{getattr(release, component)}" in {pinned for module, pinned in required(found) if found.package.startswith(module)}


@every_release
def test_the_libraries_of_kubernetes_are_those_of_the_release(release: KubernetesRelease) -> None:
    """Each replaced module of k8s.io has the release's own version: a mixture would compile, and behave as no release does."""
    text = (MODULES / go_commands(release)["kubeadm"].module / "go.mod").read_text()
    pinned = re.findall(r"^\t(k8s\.io/\S+) => \1 (v\S+)$", text, re.M)
    assert len(pinned) >= 30
    assert {version for _, version in pinned} == {f"v0.{release.kubernetes.removeprefix('1.')}"}


@every_release
def test_every_program_of_a_bundle_has_a_way_to_be_built(release: KubernetesRelease) -> None:
    """Binaries, plugins, and what the images hold."""
    wanted = {place.name for place in places(release).values() if place.kind in (FileKind.BINARY, FileKind.CNI_PLUGIN)}
    wanted |= {command for recipe in RECIPES.values() for _, command in recipe.commands}
    assert wanted - set(go_commands(release)) == {"pause"}


@every_release
def test_every_image_of_a_bundle_has_a_recipe(release: KubernetesRelease) -> None:
    """And no recipe is for nothing."""
    assert {place.name for place in places(release).values() if place.kind is FileKind.IMAGE} == set(RECIPES)


def test_the_programs_of_one_build_have_names_of_their_own() -> None:
    """One `go build` writes them into one folder, named by their packages."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for command in go_commands(DEFAULT_RELEASE).values():
        groups.setdefault(command.group, []).append(command.output)
    assert all(len(set(outputs)) == len(outputs) for outputs in groups.values())
    assert ["etcdctl", "etcdutl", "server"] in [sorted(outputs) for outputs in groups.values()]


def test_a_release_without_modules_is_refused_by_name() -> None:
    """The message names the folders that are missing and what they are for."""
    unknown = replace(DEFAULT_RELEASE, kubernetes="1.99.0")
    with pytest.raises(EnvironmentFault, match=r"1\.99\.0 .*modules/1\.99/kubernetes \(for kubelet, kubeadm, .*modules/1\.99/etcd"):
        build_bundle(release=unknown)


@pytest.mark.parametrize("module", sorted({command.module for release in RELEASES for command in go_commands(release).values()}))
def test_every_module_is_pinned_by_checksums(module: str) -> None:
    """A go.sum lies beside each go.mod, and the toolchain is not pinned beyond the minor version."""
    assert (MODULES / module / "go.sum").stat().st_size > 0
    assert re.search(r"^go 1\.26\.0$", (MODULES / module / "go.mod").read_text(), re.M)


def test_what_the_checksum_database_does_not_know_is_pinned_here() -> None:
    """Calico's commit has no record there: the hashes in go.sum are the ones that another project that pins it has too."""
    held = (MODULES / "calico" / "go.sum").read_text()
    for module, digest in {
        "calico": "PbLe6D0Yis8ce4F+o/Dmlrv4Her2ZN6ns8rmlZoFoEY=",
        "api": "ltTWo/cCc/8pEpzmlzIjt6r2383x2XDPkuBcd/9kE3k=",
        "calico/lib/std": "iLY3Uzt4pVX3jpS9Wt+mxakq1nfzN/32t6YZK9n7p/U=",
    }.items():
        assert len(re.findall(rf"^github\.com/projectcalico/{module} v\S+ h1:{re.escape(digest)}$", held, re.M)) == 1
