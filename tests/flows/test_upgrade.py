"""Upgrades of a real cluster over three versions, under load: no request through a Service fails."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from bundle.layout import image_references
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.releases import DEFAULT_RELEASE, RELEASES, KubernetesRelease, minor_text
from lab import hosts
from lab.build.bundle import build_bundle
from lab.spec import cluster_document
from tests.conftest import LAB, CommandLines, MadeCluster, Mode, Workplace, run_id, say
from tests.flows.load import APP, Load, workload

pytestmark = [pytest.mark.long, pytest.mark.lab, pytest.mark.server, pytest.mark.bundle, pytest.mark.timeout(2400)]

MODES = (Mode(StackMode.DUAL_STACK, Family.IPV4), Mode(StackMode.IPV6, Family.IPV6))
FIRST = RELEASES[0]


def block_of(release: KubernetesRelease) -> str:
    """The Artifact bundle block of a release."""
    return f"lab-{minor_text(release.minor).replace('.', '-')}"


@pytest.fixture(scope="module", params=MODES, ids=str)
def cluster(request: pytest.FixtureRequest, workplace: Workplace) -> Iterator[MadeCluster]:
    """A cluster of the oldest release, with a control plane and two workers."""
    mode: Mode = request.param
    for release in RELEASES:
        folder = build_bundle(say) if release is DEFAULT_RELEASE else build_bundle(say, release=release, networks=("flannel",))
        registered = workplace.sixstack("bundle", "register", str(folder), "--name", block_of(release), "--overwrite")
        assert registered.returncode == 0, registered.stdout + registered.stderr
    hosts.up(LAB, hosts=3, families=mode.families, management=mode.families, report=say)
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), mode.stack, mode.primary)
    document |= {"kubernetes_version": FIRST.kubernetes, "bundle": block_of(FIRST)}
    file = workplace.write("upgraded.yaml", document)
    start = time.monotonic()
    with CommandLines() as command_lines:
        created = workplace.sixstack("create", file)
    assert created.returncode == 0, created.stdout + created.stderr
    made = MadeCluster(mode, document, file, workplace, created.stdout, time.monotonic() - start, command_lines)
    yield made
    deleted = workplace.sixstack("delete", made.file, "--confirm", made.name, "--without-copy")
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr


def start_workload(cluster: MadeCluster) -> None:
    """The workload, with both replicas available."""
    file = cluster.place.prefect.root / "load.json"
    items = workload(image_references(FIRST)["probe"])
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}), encoding="utf-8")
    cluster.kubectl("apply", "-f", str(file))
    cluster.kubectl("rollout", "status", f"deployment/{APP}", "--timeout=90s", limit=120)


def versions(cluster: MadeCluster) -> dict[str, str]:
    """The version of each node's running kubelet."""
    return {node["metadata"]["name"]: node["status"]["nodeInfo"]["kubeletVersion"] for node in cluster.objects("nodes")["items"]}


def seconds_per_host(cluster: MadeCluster, output: str) -> dict[str, dict[str, float]]:
    """Seconds of each step on each host, from the audit records of a run."""
    records: list[dict[str, Any]] = json.loads(cluster.place.sixstack("audit", run_id(output), "--output", "json").stdout)
    found: dict[str, dict[str, float]] = {}
    for record in records:
        took = datetime.fromisoformat(record["end"]) - datetime.fromisoformat(record["start"])
        of_host = found.setdefault(record["host"], {})
        of_host[record["step"]] = round(of_host.get(record["step"], 0) + took.total_seconds(), 1)
    return found


@pytest.mark.parametrize("release", RELEASES[1:], ids=lambda release: release.kubernetes)
def test_an_upgrade_changes_every_node_and_no_request_fails(cluster: MadeCluster, release: KubernetesRelease) -> None:
    """create-cluster refuses, `sixstack plan` shows what the upgrade then does, and afterwards both have nothing to do."""
    if release is RELEASES[1]:
        start_workload(cluster)
    before = set(versions(cluster).values())
    document = {**cluster.document, "kubernetes_version": release.kubernetes, "bundle": block_of(release)}
    cluster.file = cluster.place.write("upgraded.yaml", document)
    refused = cluster.place.sixstack("create", cluster.file)
    assert refused.returncode == 1
    assert "upgrade-needed" in refused.stdout + refused.stderr
    planned = cluster.place.sixstack("plan", cluster.file)
    say(planned.stdout)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    start = time.monotonic()
    with Load(cluster, hosts.status(LAB)) as load:
        upgraded = cluster.place.sixstack("upgrade", cluster.file, limit=1500)
    say(upgraded.stdout)
    assert upgraded.returncode == 0, upgraded.stdout + upgraded.stderr
    say(f"{cluster.mode}: {sorted(before)} -> v{release.kubernetes} in {time.monotonic() - start:.0f} s")
    for host, steps in seconds_per_host(cluster, upgraded.stdout).items():
        say(f"  {host}: {sum(steps.values()):.0f} s: {steps}")
    for family in cluster.mode.families:
        say(f"  {family}: {len(load.failed[family])} of {load.sent[family]} requests failed: {load.failed[family][:20]}")
    assert set(versions(cluster).values()) == {f"v{release.kubernetes}"}
    running = {
        container["image"] for pod in cluster.objects("pods", "-n", "kube-system")["items"] for container in pod["spec"]["containers"]
    }
    held = image_references(release)
    expected = {"etcd", "coredns", "kube-proxy", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
    assert running == {held[name] for name in expected}
    assert [node["metadata"]["name"] for node in cluster.objects("nodes")["items"] if node["spec"].get("unschedulable")] == []
    for command in ("plan",):
        again = cluster.place.sixstack(command, cluster.file)
        assert "nothing to do" in again.stdout, again.stdout + again.stderr
    repeated = cluster.place.sixstack("upgrade", cluster.file)
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr
    assert {family: load.failed[family] for family in cluster.mode.families} == {family: [] for family in cluster.mode.families}
