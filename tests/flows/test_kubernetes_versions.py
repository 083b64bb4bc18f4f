"""Clusters of the releases that are not the default one, each from a bundle of its own, on real hosts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bundle.layout import image_references
from cluster.vocabulary.families import Family, StackMode
from cluster.vocabulary.releases import DEFAULT_RELEASE, RELEASES, KubernetesRelease, minor_text
from lab import hosts
from lab.build.bundle import build_bundle
from lab.spec import cluster_document
from tests.conftest import LAB, CommandLines, MadeCluster, Mode, Workplace, say

# a cold build of one bundle takes up to 15 minutes on two cores
pytestmark = [pytest.mark.long, pytest.mark.lab, pytest.mark.server, pytest.mark.bundle, pytest.mark.timeout(2400)]

MODES = (Mode(StackMode.DUAL_STACK, Family.IPV4), Mode(StackMode.IPV6, Family.IPV6))
CASES = [
    pytest.param((release, MODES[number % 2]), id=f"{release.kubernetes}-{MODES[number % 2]}")
    for number, release in enumerate(release for release in RELEASES if release is not DEFAULT_RELEASE)
]


@dataclass
class ReleaseCluster(MadeCluster):
    """A cluster of three hosts of one release."""

    release: KubernetesRelease


@pytest.fixture(scope="module", params=CASES)
def cluster(request: pytest.FixtureRequest, workplace: Workplace) -> Iterator[ReleaseCluster]:
    """One cluster after another on the lab's hosts, by `sixstack create`; its file names its version and its bundle's block."""
    release, mode = request.param
    block = f"lab-{minor_text(release.minor).replace('.', '-')}"
    folder = build_bundle(say, release=release, networks=("flannel",))
    registered = workplace.sixstack("bundle", "register", str(folder), "--name", block, "--overwrite")
    assert registered.returncode == 0, registered.stdout + registered.stderr
    hosts.up(LAB, hosts=3, families=mode.families, management=mode.families, report=say)
    document = {
        **cluster_document(hosts.lab_of(LAB), hosts.status(LAB), mode.stack, mode.primary),
        "kubernetes_version": release.kubernetes,
        "bundle": block,
    }
    file = workplace.write("release.yaml", document)
    start = time.monotonic()
    with CommandLines() as command_lines:
        created = workplace.sixstack("create", file, own_start=True)
    assert created.returncode == 0, created.stdout + created.stderr
    yield ReleaseCluster(mode, document, file, workplace, created.stdout, time.monotonic() - start, command_lines, release)
    deleted = workplace.sixstack("delete", file, "--confirm", str(document["name"]))
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr


def test_every_node_is_ready_and_runs_the_release(cluster: ReleaseCluster) -> None:
    """The kubelet reports the version of the cluster file; addresses are those of the file, primary family first."""
    nodes = {node["metadata"]["name"]: node["status"] for node in cluster.objects("nodes")["items"]}
    assert set(nodes) == {host["name"] for host in cluster.document["hosts"]}
    for host in cluster.document["hosts"]:
        status = nodes[host["name"]]
        assert [entry["status"] for entry in status["conditions"] if entry["type"] == "Ready"] == ["True"]
        assert status["nodeInfo"]["kubeletVersion"] == f"v{cluster.release.kubernetes}"
        assert [entry["address"] for entry in status["addresses"] if entry["type"] == "InternalIP"] == host["addresses"]


def test_the_network_check_is_green(cluster: ReleaseCluster) -> None:
    """The whole check, by `sixstack verify`, after the quicker one of the create run."""
    verified = cluster.place.sixstack("verify", cluster.file)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    records = json.loads(cluster.place.sixstack("audit", cluster.name, "--output", "json").stdout)
    reports = [record["report"] for record in records if record["step"] == "verify-network"]
    # the store has those of the cluster before too, as both have the same name
    assert [report["ok"] for report in reports[-2:]] == [True, True]


def test_the_images_are_those_of_the_table(cluster: ReleaseCluster) -> None:
    """kubeadm asks for the very images that the table lists for its release, so nothing is pulled."""
    pods = cluster.objects("pods", "-A")["items"]
    running = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    held = image_references(cluster.release)
    assert running == {
        held[name] for name in held if not name.startswith("calico") and name not in {"pause", "probe", "flannel-cni-plugin"}
    }
