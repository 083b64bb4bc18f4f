"""Bundles with the images of some pod networks only."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundle.manifest import Architecture, BundleManifest
from bundle.pack import write_manifest
from cluster.vocabulary.cni_kinds import IN_BUNDLES
from cluster.vocabulary.releases import DEFAULT_RELEASE
from lab.build.bundle import BundleBuilder, build_bundle
from lab.build.store import Store


def builder(cache: Path, networks: tuple[str, ...]) -> BundleBuilder:
    """The builder of the default release."""
    return BundleBuilder(Store(cache), DEFAULT_RELEASE, Architecture.of_this_machine(), networks)


def test_a_bundle_without_calico_needs_nothing_of_calico(tmp_path: Path) -> None:
    """No image and no command of it; everything else is as in the whole bundle."""
    part, whole = builder(tmp_path, ("flannel",)), builder(tmp_path, IN_BUNDLES)
    assert {place.cni for place in whole.places.values()} - {place.cni for place in part.places.values()} == {"calico"}
    assert {command.module for command in whole.commands.values()} - {command.module for command in part.commands.values()} == {"calico"}
    assert part.folder.name.startswith(f"{whole.name}-no-calico-")


def test_a_finished_bundle_of_every_network_serves_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is built for a demo where the tests have built all."""
    monkeypatch.setenv("SIXSTACK_CACHE", str(tmp_path))
    whole = builder(tmp_path, IN_BUNDLES)
    whole.folder.mkdir(parents=True)
    manifest = BundleManifest(
        name=whole.name, kubernetes_version=f"v{DEFAULT_RELEASE.kubernetes}", architecture=whole.architecture, files=()
    )
    write_manifest(whole.folder, manifest)
    assert build_bundle(pytest.fail, networks=("flannel",)) == whole.folder
