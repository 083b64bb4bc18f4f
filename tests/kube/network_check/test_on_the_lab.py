"""The network check on a real cluster: green when it is well, and each broken path is named."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from bundle.manifest import read_manifest
from cluster.families import Family, StackMode
from cluster.network_report import CheckKind, ExpectedNetwork, Layer, NetworkReport
from cluster.reader import read_document
from kube.client import KubeApi, connect
from kube.network_check import run
from kube.wait import wait_gone, wait_rolled_out
from lab import hosts
from tests.conftest import LAB, MadeCluster, Mode

pytestmark = [
    pytest.mark.lab,
    pytest.mark.server,
    pytest.mark.parametrize("made", [Mode(StackMode.DUAL_STACK, Family.IPV4)], indirect=True, ids=str),
]

LIMIT = timedelta(seconds=90)
DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"


@pytest.fixture
def cluster_api(made: MadeCluster) -> Iterator[KubeApi]:
    """The cluster's API, over the lab's bridge."""
    config = hosts.run_in(str(made.document["hosts"][0]["name"]), ["cat", "/etc/kubernetes/admin.conf"], LAB).stdout

    def dial(host: str, port: int) -> socket.socket:
        return socket.create_connection((host, port), timeout=None)

    with connect(config, dial) as api:
        yield api


@pytest.fixture
def check(made: MadeCluster, cluster_api: KubeApi, bundle_folder: Any) -> Callable[..., NetworkReport]:
    """Runs the check as verify-network does; the image may be another one."""
    spec = read_document(made.document).spec
    assert spec is not None

    def checked(image: str = read_manifest(bundle_folder).probe_image) -> NetworkReport:
        return run(cluster_api, ExpectedNetwork.of(spec), image, LIMIT)

    return checked


@contextmanager
def dropped(rule: str, on: int) -> Iterator[None]:
    """A firewall rule on one lab host, for packets that come in."""
    table = f"add table inet broken; add chain inet broken input {{ type filter hook input priority -300; }}; add rule inet broken input {rule} drop"
    host = hosts.status(LAB)[on].name
    hosts.run_in(host, ["nft", table], LAB).check_returncode()
    try:
        yield
    finally:
        hosts.run_in(host, ["nft", "delete table inet broken"], LAB).check_returncode()


def test_a_healthy_cluster_is_green_in_seconds_and_nothing_stays(check: Callable[..., NetworkReport], cluster_api: KubeApi) -> None:
    """Every kind of path over each family, in 3 + 3 pods; the namespace is gone when the check returns."""
    start = time.monotonic()
    report = check()
    assert report.ok, report.verdict
    assert time.monotonic() - start < 45  # about 11 s on an idle machine
    tried = {(found.kind, found.family) for found in report.checks}
    kinds = (CheckKind.PING, CheckKind.HTTP, CheckKind.NODE_PORT, CheckKind.CLUSTER_IP, CheckKind.DNS)
    assert tried >= {(kind, family) for kind in kinds for family in Family}
    left = [namespace["metadata"]["name"] for namespace in cluster_api.get("/api/v1/namespaces")["items"]]
    assert not [name for name in left if name.startswith("sixstack-network-check")]


def test_a_family_lost_in_the_overlay_is_named_with_its_node(check: Callable[..., NetworkReport]) -> None:
    """VXLAN over IPv6 does not reach the third host: only IPv6, only the pod network (and services behind it), only paths with that node."""
    name = hosts.status(LAB)[2].name
    with dropped("ip6 nexthdr udp udp dport 8472", on=2):
        report = check()
    assert not report.ok
    assert {failure.family for failure in report.failures} == {Family.IPV6}
    assert Layer.NODE_NETWORK not in {failure.layer for failure in report.failures}
    paths = [failure for failure in report.failures if failure.layer is Layer.POD_NETWORK]
    assert paths
    assert all(name in failure.source or name in failure.target for failure in paths)
    assert "over IPv6" in report.verdict


def test_a_firewall_between_the_machines_is_told_from_the_overlay(check: Callable[..., NetworkReport]) -> None:
    """The probe's own port on the second host's IPv4 address: HTTP fails node to node, ping does not."""
    name = hosts.status(LAB)[1].name
    with dropped("meta nfproto ipv4 tcp dport 29417", on=1):
        report = check()
    failures = [failure for failure in report.failures if failure.layer is Layer.NODE_NETWORK]
    assert failures
    assert {(failure.kind, failure.family) for failure in failures} == {(CheckKind.HTTP, Family.IPV4)}
    assert all(failure.target.startswith(f"node {name} ") for failure in failures)


def test_cluster_dns_that_is_down_is_named_alone(check: Callable[..., NetworkReport], cluster_api: KubeApi) -> None:
    """Everything else works, and is said to."""
    cluster_api.merge(f"{DEPLOYMENT}/scale", {"spec": {"replicas": 0}})
    try:
        # CoreDNS answers on for seconds after it was told to stop (its lameduck time)
        wait_gone(cluster_api, "/api/v1/namespaces/kube-system/pods", timedelta(minutes=1), {"labelSelector": "k8s-app=kube-dns"})
        report = check()
    finally:
        cluster_api.merge(f"{DEPLOYMENT}/scale", {"spec": {"replicas": 2}})
        wait_rolled_out(cluster_api, "Deployment", "kube-system", "coredns", limit=timedelta(minutes=2))
    assert {(failure.kind, failure.layer) for failure in report.failures} == {(CheckKind.DNS, Layer.DNS)}
    assert {failure.family for failure in report.failures} == set(Family)


def test_an_image_that_cannot_be_pulled_is_reported_as_that(check: Callable[..., NetworkReport]) -> None:
    """It says nothing of the network."""
    report = check("registry.invalid/no/such:image")
    assert {failure.kind for failure in report.failures} == {CheckKind.PROBE}
    assert all("cannot be pulled" in failure.detail for failure in report.failures)
