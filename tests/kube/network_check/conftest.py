"""A made cluster's API and probe pods, kept up for many reports: a fault is put in, looked for, and taken away again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle.manifest import read_manifest
from cluster.expected_network import ExpectedNetwork
from cluster.network_report import NetworkReport
from cluster.reader import read_document
from kube.client import KubeApi, connect
from kube.network_check import NetworkCheck, Settings, network_check, run
from lab import hosts
from tests.conftest import LAB, MadeCluster


@pytest.fixture(scope="session")
def cluster_api(made: MadeCluster) -> Iterator[KubeApi]:
    """The cluster's API, over the lab's bridge."""
    config = hosts.run_in(str(made.document["hosts"][0]["name"]), ["cat", "/etc/kubernetes/admin.conf"], LAB).stdout

    def dial(host: str, port: int) -> socket.socket:
        return socket.create_connection((host, port), timeout=None)

    with connect(config, dial) as api:
        yield api


@pytest.fixture(scope="session")
def expected(made: MadeCluster) -> ExpectedNetwork:
    """What the cluster file asks for."""
    spec = read_document(made.document).spec
    assert spec is not None
    return ExpectedNetwork.of(spec)


@pytest.fixture(scope="session")
def image(bundle_folder: Path) -> str:
    """The bundle's probe image."""
    return read_manifest(bundle_folder).probe_image


@pytest.fixture(scope="session")
def check(cluster_api: KubeApi, expected: ExpectedNetwork, image: str) -> Callable[..., NetworkReport]:
    """Runs a whole check as verify-cluster does; the image may be another one."""

    def checked(other: str = "") -> NetworkReport:
        return run(cluster_api, expected, Settings(other or image))

    return checked


@pytest.fixture(scope="class")
def probing(cluster_api: KubeApi, expected: ExpectedNetwork, image: str) -> Iterator[NetworkCheck]:
    """Probe pods that stay up while a class of tests lasts (a node has room for one such pod), less patient than those of a user's check: each fault would cost three tries of three seconds."""
    with network_check(cluster_api, expected, Settings(image, tries=2, seconds=1)) as check:
        yield check
