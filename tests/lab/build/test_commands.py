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
    """Modules and versions that the command's go.mod requires."""
    yield from re.findall(r"^\s*(?:require )?(\S+) (v\S+)", (MODULES / command.module / "go.mod").read_text(), re.M)


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
