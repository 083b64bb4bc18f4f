"""What a plan says about the bundle. Without a Prefect server: the test gives the blocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.artifact_bundle import ArtifactBundle
from blocks.loading import NoBlock
from bundle.faults import BundleFault
from bundle.manifest import MANIFEST_NAME, Architecture, BundleManifest
from bundle.pack import write_manifest
from cluster.facts.host_facts import HostFacts
from cluster.facts.host_paths import Connectivity
from cluster.vocabulary.releases import DEFAULT_RELEASE
from runs.context import RunContext
from tasks import plan
from tests.cluster.conftest import _facts, _spec

RUN = RunContext("demo", "id", "default", "default")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle without files."""
    version = f"v{DEFAULT_RELEASE.kubernetes}"
    write_manifest(tmp_path, BundleManifest(name="empty", kubernetes_version=version, architecture=Architecture.AMD64, files=()))
    return tmp_path


def warnings_with(block: ArtifactBundle, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes of the warnings of a plan for two bare hosts, with this block."""

    def load_without_server(kind: type, name: str) -> ArtifactBundle:
        if kind is ArtifactBundle:
            return block
        raise NoBlock(name)

    monkeypatch.setattr(plan, "load", load_without_server)
    facts: dict[str, HostFacts] = {f"node-{number}": _facts(number) for number in (1, 2)}
    _, made, warnings = plan.make_plan(_spec(), facts, (), Connectivity(), RUN)
    assert made.steps
    return [problem.code for problem in warnings]


def test_a_plan_notes_a_bundle_without_a_digest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle with a digest has no such note."""
    assert "bundle-not-pinned" in warnings_with(ArtifactBundle(folder=str(folder)), monkeypatch)
    assert "bundle-not-pinned" not in warnings_with(ArtifactBundle.of(folder), monkeypatch)


def test_no_plan_is_made_with_a_changed_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a plan, no step changes a host."""
    block = ArtifactBundle.of(folder)
    (folder / MANIFEST_NAME).write_text((folder / MANIFEST_NAME).read_text() + "\n")
    with pytest.raises(BundleFault) as raised:
        warnings_with(block, monkeypatch)
    assert [problem.code for problem in raised.value.problems] == ["bundle-manifest-changed"]
