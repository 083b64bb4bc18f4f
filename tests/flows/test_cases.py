"""The user cases of the IPv6 proposal on lab hosts, in its order: what `sixstack demo --case 1|2` plays, a test a step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.manifest import read_manifest
from cluster.vocabulary.errors import ClusterError
from cluster.vocabulary.families import Family
from demo.cases import CaseStep, case_1, case_2, dual_stack_cluster, ipv6_cluster
from demo.cases.environment import CaseEnvironment
from demo.cases.management import ManagementCluster
from lab import hosts
from tests.conftest import LAB, MORE_HOSTS, Workplace, say

pytestmark = [pytest.mark.lab, pytest.mark.server]

BOTH = (Family.IPV4, Family.IPV6)


class Played:
    """A case in play: its steps one after another, none left out."""

    def __init__(self, steps: tuple[CaseStep, ...]) -> None:
        self._left = list(steps)
        self._failed = ""

    def step(self, words: str) -> str:
        """Do the next step, whose title begins with these words; what was seen."""
        assert not self._failed, f"an earlier step failed: {self._failed}"
        step = self._left.pop(0)
        assert step.title.startswith(words)
        self._failed = step.title
        seen = step.run()
        self._failed = ""
        return seen

    @property
    def over(self) -> bool:
        """Every step was done, and well."""
        return not self._left and not self._failed


@pytest.fixture(scope="module")
def case_environment(workplace: Workplace, bundle_folder: Path) -> Iterator[CaseEnvironment]:
    """Three bare dual-stack hosts, which are bare again at the end."""
    hosts.up(LAB, hosts=3, families=BOTH, management=BOTH, report=say)
    probe_image = read_manifest(bundle_folder).probe_image
    environment = CaseEnvironment(workplace.prefect, LAB, probe_image, command=workplace.command("-m", "cli"))
    yield environment
    owners = {hosts.run_in(host.name, ["cat", "/var/lib/sixstack/owner"], LAB).stdout.strip() for host in hosts.status(LAB)}
    for cluster in (dual_stack_cluster(environment), ipv6_cluster(environment), ManagementCluster(environment)):
        if cluster.name in owners:
            cluster.delete()


@pytest.fixture(scope="module")
def more_hosts() -> Iterator[None]:
    """The second cluster of Case 2 has all its hosts when other tests have no hosts beside their clusters."""
    MORE_HOSTS.take()
    yield
    MORE_HOSTS.release()


@pytest.fixture(scope="module")
def one(case_environment: CaseEnvironment) -> Played:
    """Case 1."""
    return Played(case_1(case_environment))


@pytest.fixture(scope="module")
def two(case_environment: CaseEnvironment) -> Played:
    """Case 2, on the hosts of Case 1."""
    return Played(case_2(case_environment))


class TestCase1BusinessClusterIPv6DualStack:
    """Case 1: business cluster IPv6 dual stack test."""

    def test_1_create_the_business_cluster(self, one: Played) -> None:
        """Without a pod network; the run is completed."""
        assert f"{LAB}-1" in one.step("1. Create")

    def test_2_the_cluster_is_ready_and_coredns_is_pending(self, one: Played) -> None:
        """As long as there is no pod network."""
        assert one.step("2. The cluster is ready").count("Pending") == 2

    def test_2_apply_the_calico_network_plug_in(self, one: Played, case_environment: CaseEnvironment) -> None:
        """The file says calico now, and the cluster is created again: everything runs, and the check before would see that."""
        assert "calico-kube-controllers" in one.step("2. Apply the Calico")
        with pytest.raises(ClusterError, match="CoreDNS is Pending"):
            dual_stack_cluster(case_environment).coredns_is_pending()

    def test_3_create_a_worker(self, one: Played) -> None:
        """The file has one host more, and the cluster is created again."""
        assert f"{LAB}-2" in one.step("3. Create a worker")

    def test_4_check_the_business_clusters_status(self, one: Played) -> None:
        """Both nodes are Ready."""
        assert one.step("4. Check").count(" Ready ") == 2

    def test_5_the_pod_has_an_ipv4_and_an_ipv6_address(self, one: Played) -> None:
        """Each out of the cluster's pod range, on the pod's own link."""
        link = one.step("5. Deploy a workload")
        assert "inet 10.244." in link
        assert "inet6 fd44:5a17:e0b4:" in link

    def test_5_ping_the_pod_from_the_other_host(self, one: Played) -> None:
        """Over IPv4 and over IPv6."""
        assert one.step("5. Ping").count(" 0% packet loss") == 2
        assert one.over


class TestCase2BusinessClusterIPv6SingleStack:
    """Case 2: business cluster IPv6 single stack test, solution 1."""

    def test_0_free_up_the_business_cluster(self, two: Played) -> None:
        """The cluster of Case 1 is deleted from its hosts."""
        assert f"{LAB}-1, {LAB}-2" in two.step("0. Free up")
        for number in (1, 2):
            assert hosts.run_in(f"{LAB}-{number}", ["ls", "-A", "/var/lib/sixstack", "/etc/kubernetes"], LAB).stdout == ""

    def test_0_a_management_cluster_with_the_platform(self, two: Played) -> None:
        """Stand-ins of the names that the proposal's platform has."""
        assert two.step("0. A management cluster").count("tke-platform-") == 2

    def test_1_to_3_scale_down_host_network_scale_up(self, two: Played) -> None:
        """One flow does the three steps; the pods are others, and have their node's address."""
        address = hosts.status(LAB)[2].address(Family.IPV4)
        assert two.step("1.-3.").count(str(address)) == 2

    def test_3_the_platform_reaches_ipv6_hosts(self, two: Played) -> None:
        """Which it did not before."""
        two.step("3. The platform")

    def test_4_create_the_business_cluster(self, two: Played) -> None:
        """IPv6-only, its hosts reached over IPv6."""
        assert f"{LAB}-1" in two.step("4. Create")

    def test_5_the_cluster_is_ready_and_coredns_is_pending(self, two: Played) -> None:
        """As long as there is no pod network."""
        assert two.step("5. The cluster is ready").count("Pending") == 2

    def test_5_apply_the_calico_network_plug_in(self, two: Played) -> None:
        """Everything runs."""
        assert "calico-kube-controllers" in two.step("5. Apply the Calico")

    @pytest.mark.usefixtures("more_hosts")
    def test_6_create_a_worker(self, two: Played) -> None:
        """The file has one host more, and the cluster is created again."""
        assert f"{LAB}-2" in two.step("6. Create a worker")

    def test_7_check_the_business_clusters_status(self, two: Played) -> None:
        """Both nodes are Ready."""
        assert two.step("7. Check").count(" Ready ") == 2

    def test_8_the_pod_has_an_ipv6_address_only(self, two: Played) -> None:
        """Out of the cluster's pod range; no IPv4 address at all."""
        link = two.step("8. Deploy a workload")
        assert "inet6 fd44:5a17:e0b4:" in link
        assert "inet " not in link

    def test_8_ping_the_pod_from_the_other_host(self, two: Played) -> None:
        """Over IPv6."""
        assert two.step("8. Ping").count(" 0% packet loss") == 1
        assert two.over
