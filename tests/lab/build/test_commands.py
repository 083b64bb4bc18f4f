"""What is built from source, against the modules that pin it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from bundle.layout import Versions, places
from bundle.manifest import FileKind
from lab.build.commands import go_commands
from lab.build.golang import MODULES, GoCommand
from lab.build.images import RECIPES

COMMANDS = go_commands(Versions())


def required(command: GoCommand) -> Iterator[tuple[str, str]]:
    """Modules and versions that the command's go.mod requires; a commit's version stands in the comment behind it."""
    text = (MODULES / command.module / "go.mod").read_text()
    yield from re.findall(r"^\s*(?:require )?(\S+) (?:v0\.0\.0-\S+ // )?(v\S+)", text, re.M)


@pytest.mark.parametrize(
    ("command", "version"),
    [
        ("kubeadm", Versions().kubernetes),
        ("etcd", Versions().etcd),
        ("coredns", Versions().coredns),
        ("containerd", Versions().containerd),
        ("runc", Versions().runc),
        ("bridge", Versions().cni_plugins),
        ("flanneld", Versions().flannel),
        ("calico-node", Versions().calico),
    ],
)
def test_the_version_in_the_manifest_is_the_one_that_is_built(command: str, version: str) -> None:
    """go.mod and the bundle's versions are two places that must agree."""
    found = COMMANDS[command]
    assert f"v{version}" in {pinned for module, pinned in required(found) if found.package.startswith(module)}


def test_every_program_of_a_bundle_has_a_way_to_be_built() -> None:
    """Binaries, plugins, and what the images hold."""
    wanted = {place.name for place in places(Versions()).values() if place.kind in (FileKind.BINARY, FileKind.CNI_PLUGIN)}
    wanted |= {command for recipe in RECIPES.values() for _, command in recipe.commands}
    assert wanted - set(COMMANDS) == {"pause"}


def test_every_image_of_a_bundle_has_a_recipe() -> None:
    """And no recipe is for nothing."""
    assert {place.name for place in places(Versions()).values() if place.kind is FileKind.IMAGE} == set(RECIPES)


@pytest.mark.parametrize("module", sorted({command.module for command in COMMANDS.values()}))
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
