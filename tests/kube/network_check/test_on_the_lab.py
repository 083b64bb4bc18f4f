"""The network check on real clusters of every stack mode: no failure on a healthy cluster, and only the right failure for each fault."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from cluster.network.checks import CheckKind, Layer
from cluster.network.expected import ExpectedNetwork
from cluster.network.report import NetworkReport
from cluster.vocabulary.families import Family
from kube.client import KubeApi
from kube.network_check import NetworkCheck
from kube.network_check.from_api import expected_from_api
from tests.conftest import MODES
from tests.kube.network_check.faults import FAULTS, Cluster, Fault

pytestmark = [pytest.mark.lab, pytest.mark.server]

one_mode = pytest.mark.parametrize("made", MODES[:1], indirect=True, ids=str)


@one_mode
def test_a_healthy_cluster_has_no_failure_and_the_probe_pods_are_removed(
    check: Callable[..., NetworkReport], cluster_api: KubeApi, expected: ExpectedNetwork
) -> None:
    """Every kind of path over each family, from 3 + 3 pods. The namespace does not exist after the check."""
    report = check()
    assert report.ok, "\n".join(map(str, report.failures))
    of_families = {found.kind for found in report.checks if found.family}
    for family in expected.families:
        assert {found.kind for found in report.checks if found.family is family} >= of_families - {CheckKind.HEADLESS}
    assert {found.kind for found in report.checks} == {*CheckKind} - {CheckKind.PROBE, CheckKind.OUTSIDE, CheckKind.NETWORK_POLICY}
    left = [namespace["metadata"]["name"] for namespace in cluster_api.get("/api/v1/namespaces")["items"]]
    assert not [name for name in left if name.startswith("sixstack-network-check")]


def test_the_expected_network_from_the_api_equals_that_of_the_file(cluster_api: KubeApi, expected: ExpectedNetwork) -> None:
    """For a cluster without a file: families in order, nodes, ranges, domain, labels, plug-in."""
    found = expected_from_api(cluster_api)
    assert found.families == expected.families
    assert found.nodes.keys() == expected.nodes.keys()
    assert (found.dns_domain, found.pod_ranges) == (expected.dns_domain, expected.pod_ranges)
    # the API alone does not say what a user's own files can do
    assert found.policy is (None if expected.cni == "manifests" else False)
    assert found.labels == expected.labels
    assert found.cni.lower().startswith(expected.cni)


# One fault of each layer is looked for on hosts of both families, of IPv4 and of IPv6. All of them: in the first mode, and by `make test-long` in each.
IN_EVERY_MODE = ("overlay dropped", "machines cut off", "NodePorts blocked", "tunnel too small")
OTHERS = tuple(name for name in FAULTS if name not in IN_EVERY_MODE)


def look_until(probing: NetworkCheck, right: Callable[[NetworkReport], bool]) -> NetworkReport:
    """Look again for two minutes as long as the report is not right: on a busy machine kube-proxy is late, and so are answers."""
    end = time.monotonic() + 120
    while not right(report := probing.report()) and time.monotonic() < end:
        time.sleep(1)
    return report


def findings(report: NetworkReport) -> set[tuple[Layer, CheckKind | None, tuple[str, ...], frozenset[Family]]]:
    """What a report says is broken, and where."""
    return {(finding.layer, finding.subject, finding.nodes, frozenset(finding.families)) for finding in report.findings}


def find(name: str, probing: NetworkCheck) -> None:
    """Add a fault: the report has its layer, family and node, and no consequences as further faults."""
    fault: Fault = FAULTS[name]
    cluster = Cluster(probing.api, probing.expected)
    wanted = {(fault.layer, subject, fault.nodes(cluster), frozenset(fault.families(cluster))) for subject in fault.subjects}
    with fault.put(cluster):
        report = look_until(probing, lambda report: findings(report) == wanted)
    assert findings(report) == wanted, "\n".join(map(str, report.failures))


def find_none(probing: NetworkCheck) -> None:
    """The report has no failure."""
    report = look_until(probing, lambda report: report.ok)
    assert report.ok, "\n".join(map(str, report.failures))


@pytest.mark.parametrize("made", [MODES[0], pytest.param(MODES[1], marks=pytest.mark.long), *MODES[2:]], indirect=True, ids=str)
class TestFaults:
    """The faults in sequence, checked by the same probe pods."""

    def test_a_healthy_cluster_has_no_fault(self, probing: NetworkCheck) -> None:
        """A healthy cluster is green."""
        find_none(probing)

    @pytest.mark.parametrize("name", IN_EVERY_MODE)
    def test_a_fault_is_found_and_it_alone(self, name: str, probing: NetworkCheck) -> None:
        """With its layer, family and node."""
        find(name, probing)

    def test_no_fault_is_left_when_all_are_taken_away(self, probing: NetworkCheck) -> None:
        """The same pods find the network well again."""
        find_none(probing)


class OtherFaults:
    """The rest of the thirteen."""

    @pytest.mark.parametrize("name", OTHERS)
    def test_a_fault_is_found_and_it_alone(self, name: str, probing: NetworkCheck) -> None:
        """With its layer, family and node."""
        find(name, probing)

    def test_no_fault_is_left_when_all_are_taken_away(self, probing: NetworkCheck) -> None:
        """The same pods find the network well again."""
        find_none(probing)


@one_mode
class TestOtherFaults(OtherFaults):
    """In one mode."""


@pytest.mark.long
@pytest.mark.parametrize("made", MODES[1:], indirect=True, ids=str)
class TestOtherFaultsInOtherModes(OtherFaults):
    """In the other modes."""


@pytest.mark.long  # which runs one test at a time: beside other tests it would say how busy the machine is
@one_mode
def test_a_check_takes_less_than_a_minute(check: Callable[..., NetworkReport]) -> None:
    """About 12 s on an idle machine with two cores."""
    start = time.monotonic()
    assert check().ok
    assert time.monotonic() - start < 60


@one_mode
def test_an_image_that_cannot_be_pulled_is_reported_as_that(check: Callable[..., NetworkReport]) -> None:
    """The failure is not about the network."""
    report = check("registry.invalid/no/such:image")
    assert {failure.kind for failure in report.failures} == {CheckKind.PROBE}
    assert all("cannot be pulled" in failure.detail for failure in report.failures)
