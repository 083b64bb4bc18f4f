"""Retests whose upgrade or restore cannot be done are refused on a real server, before a host is asked for anything but its id."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blocks.age_identity import recipient_of
from bundle.layout import places
from bundle.manifest import Architecture, BundleManifest, FileKind
from bundle.pack import describe, write_manifest
from cluster.vocabulary.releases import RELEASES, KubernetesRelease
from lab.spec import cluster_file
from tests.conftest import Workplace
from tests.flows.test_saved_clusters import document

pytestmark = pytest.mark.server

NAME = "never-retested"


def bundle(folder: Path, release: KubernetesRelease) -> Path:
    """A bundle of the systemd units, with the version of a release."""
    files = []
    for place in places(release).values():
        if place.kind is FileKind.UNIT:
            stored = folder / place.path
            stored.parent.mkdir(parents=True, exist_ok=True)
            stored.write_text(place.name)
            files.append(describe(place, stored, stored))
    version = f"v{release.kubernetes}"
    write_manifest(folder, BundleManifest(name="small", kubernetes_version=version, architecture=Architecture.AMD64, files=tuple(files)))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The identity, the copies and the bundles."""
    return tmp_path_factory.mktemp("retest-refusals")


@pytest.fixture(scope="module")
def place(prefect_server: Workplace, folder: Path) -> Iterator[Workplace]:
    """A server with a saved cluster whose hosts do not exist, and a bundle of each release."""
    saved = document(name=NAME, test_hosts=True, kubernetes_version=RELEASES[1].kubernetes, backups=NAME)
    for number, host in enumerate(saved["hosts"]):
        host["ssh"] = {**host["ssh"], "address": "127.0.0.1", "port": number + 1}  # nothing listens there
    bundles = {block_of(release): {"folder": str(bundle(folder / release.kubernetes, release))} for release in RELEASES}
    store = {"url": str(folder / "copies"), "recipient": recipient_of(folder / "identity.txt")}
    blocks = {"artifact-bundle": bundles, "backup-store": {NAME: store}, "saved-cluster": {NAME: {"file": cluster_file(saved)}}}
    prefect_server.save_blocks(blocks)
    yield prefect_server
    for kind, named in blocks.items():
        for name in named:
            block = prefect_server.api(f"/block_types/slug/{kind}/block_documents/name/{name}")
            prefect_server.api(f"/block_documents/{block['id']}", method="DELETE")


def block_of(release: KubernetesRelease) -> str:
    """The name of the block with the bundle of a release."""
    return f"retest-{release.kubernetes.replace('.', '-')}"


def rows(place: Workplace) -> list[dict[str, Any]]:
    """The history of the cluster."""
    done = place.sixstack("retests", "--cluster", NAME, "--output", "json")
    return list(json.loads(done.stdout)) if done.stdout.strip() else []


def test_a_bundle_and_an_identity_that_are_not_there_stop_the_run(place: Workplace, tmp_path: Path) -> None:
    """Both are reported at once, with a name that is not saved; no cluster is begun. An identity that others can read is not used."""
    before = rows(place)
    readable = tmp_path / "readable.txt"
    recipient_of(readable)
    readable.chmod(0o644)
    done = place.sixstack("retest", "nobody", "--upgrade-from", "no-such-bundle", "--restore-with", str(readable))
    assert done.returncode == 1, done.stdout + done.stderr
    for code in ("not-in-choices", "upgrade-bundle-unusable", "identity-unusable"):
        assert f"[{code}]" in done.stdout + done.stderr
    assert rows(place) == before


def test_a_cluster_that_cannot_be_upgraded_or_restored_is_refused(place: Workplace, tmp_path: Path) -> None:
    """It is in the history, with all reasons, and no part began. Its hosts, which cannot be reached, are not part of the answer."""
    other = tmp_path / "other.txt"
    recipient_of(other)
    done = place.sixstack("retest", NAME, "--upgrade-from", block_of(RELEASES[2]), "--restore-with", str(other))
    assert done.returncode == 1, done.stdout + done.stderr
    for code in ("no-upgrade-path", "wrong-identity"):
        assert f"[{code}]" in done.stdout + done.stderr
    row = rows(place)[-1]
    assert (row["result"], row["failed_phase"], row["phase_flow_runs"]) == ("refused", "", {})
    # the automation for failed runs leaves it out by this beginning: the retest has its own event
    state = place.api(f"/flow_runs/{row['flow_run']}")["state"]
    assert state["message"].startswith("Flow run encountered an exception: FindingReported: ")
    assert "AGE-SECRET-KEY" not in done.stdout + done.stderr + json.dumps(row)


def test_with_the_right_bundle_and_identity_the_first_part_begins(place: Workplace, folder: Path) -> None:
    """The control: the hosts are asked, and cannot be reached."""
    identity = str(folder / "identity.txt")
    done = place.sixstack("retest", NAME, "--upgrade-from", block_of(RELEASES[0]), "--restore-with", identity)
    assert done.returncode == 1, done.stdout + done.stderr
    row = rows(place)[-1]
    assert (row["result"], row["failed_phase"]) == ("failed", "free-hosts")
    assert "[retest-hosts-not-freed]" in row["error"]
    assert row["versions"]["kubernetes before the upgrade"] == f"v{RELEASES[0].kubernetes}"
