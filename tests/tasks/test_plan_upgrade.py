"""What stops an upgrade before a plan is made. Without a Prefect server and an API server: the test gives the block."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks.artifact_bundle import ArtifactBundle
from bundle.manifest import Architecture, BundleManifest
from bundle.pack import write_manifest
from cluster.plan.immutable import UPGRADE_NEEDED
from cluster.plan.upgrade import UpgradeSettings
from cluster.vocabulary.errors import CannotApply, ImmutableChange
from cluster.vocabulary.problems import Problem
from runs.context import RunContext
from tasks import plan, plan_upgrade
from tasks.plan import is_upgrade
from tests.cluster.conftest import _facts, _spec

RUN = RunContext("demo", "id", "default", "default")


@pytest.fixture
def older_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block of the cluster file has a bundle of another version, without files."""
    write_manifest(tmp_path, BundleManifest(name="empty", kubernetes_version="v1.35.4", architecture=Architecture.AMD64, files=()))
    block = ArtifactBundle.of(tmp_path)
    monkeypatch.setattr(plan, "load", lambda _kind, _name: block)


@pytest.mark.usefixtures("older_bundle")
def test_all_problems_are_reported_together_and_before_the_api_is_asked() -> None:
    """A bundle without the version, a host without root, a missing store, and hosts of no cluster."""
    facts = {"node-1": _facts(1), "node-2": _facts(2, root=False)}
    store = Problem("no-backup-store", "backups", "", "")
    with pytest.raises(plan_upgrade.CannotUpgrade) as raised:
        plan_upgrade.make_upgrade_plan(_spec(kubernetes_version="1.36.3"), facts, (store,), None, UpgradeSettings(), RUN)
    codes = {problem.code for problem in raised.value.problems}
    assert codes == {"no-backup-store", "kubernetes-version-not-in-bundle", "not-root", "upgrade-without-cluster"}
    assert "no host was changed" in str(raised.value)


def test_only_another_version_alone_is_an_upgrade() -> None:
    """`sixstack plan` then shows the upgrade; with any other problem it lists the problems."""
    version = Problem(UPGRADE_NEEDED, "kubernetes_version", "", "")
    other = Problem("immutable-field", "stack", "", "")
    assert is_upgrade(ImmutableChange((version,), None))
    assert not is_upgrade(ImmutableChange((version, other), None))
    assert not is_upgrade(CannotApply((other,)))
