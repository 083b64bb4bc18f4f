"""The API and the probe pods of a cluster, for many reports: each test adds a fault, checks the report, and removes the fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundle.manifest import read_manifest
from cluster.network.expected import ExpectedNetwork
from cluster.network.report import NetworkReport
from kube.client import KubeApi
from kube.network_check import NetworkCheck, Settings, network_check, run
from tests.conftest import MadeCluster
from tests.kube.network_check.faults import expected_of, lab_api


@pytest.fixture(scope="session")
def cluster_api(made: MadeCluster) -> Iterator[KubeApi]:
    """The cluster's API, over the lab's bridge."""
    with lab_api(made) as api:
        yield api


@pytest.fixture(scope="session")
def expected(made: MadeCluster) -> ExpectedNetwork:
    """The expected network of the cluster file."""
    return expected_of(made)


@pytest.fixture(scope="session")
def image(bundle_folder: Path) -> str:
    """The bundle's probe image."""
    return read_manifest(bundle_folder).probe_image


@pytest.fixture(scope="session")
def check(cluster_api: KubeApi, expected: ExpectedNetwork, image: str) -> Callable[..., NetworkReport]:
    """Runs a whole check like verify-cluster, optionally with another image."""

    def checked(other: str = "") -> NetworkReport:
        return run(cluster_api, expected, Settings(other or image))

    return checked


@pytest.fixture(scope="class")
def probing(cluster_api: KubeApi, expected: ExpectedNetwork, image: str) -> Iterator[NetworkCheck]:
    """Probe pods that stay up while a class of tests lasts (a node has room for one such pod), less patient than those of a user's check: each fault would cost three tries of three seconds."""
    with network_check(cluster_api, expected, Settings(image, tries=2, seconds=1)) as check:
        yield check
