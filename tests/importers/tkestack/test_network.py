"""Stack mode, order of ranges and node masks."""

from typing import Any

import pytest

from cluster.file.reader import read_document
from tests.importers.tkestack.samples import changed, dual_stack_cluster, faults, imported, ipv6_cluster, told


def network(**spec: Any) -> tuple[str, str | None, list[tuple[str, int | None]], list[str]]:
    """What becomes of the dual-stack Cluster with these fields: stack, families' order, pod ranges with masks, service ranges."""
    result = imported(changed(dual_stack_cluster(), **spec))
    assert result.document is not None, faults(result)
    pods = [(pods["cidr"], pods.get("node_mask")) for pods in result.document["network"]["pods"]]
    return result.document["stack"], result.document.get("primary_family"), pods, result.document["network"]["services"]


class TestOrder:
    """The first family of the services is the cluster's."""

    def test_pods_follow_services(self) -> None:
        """TKEStack takes the ranges as they come; kube-apiserver's first family is that of its first service range."""
        result = imported(
            changed(dual_stack_cluster(), clusterCIDR="fd00:10:16::/64, 10.200.0.0/16", serviceCIDR="10.96.0.0/16,fd00:10:96::/112")
        )
        assert result.document is not None
        assert [pods["cidr"] for pods in result.document["network"]["pods"]] == ["10.200.0.0/16", "fd00:10:16::/64"]
        assert "changed: network.pods: 10.200.0.0/16, fd00:10:16::/64" in told(result)["a.json: spec.clusterCIDR"]

    def test_ipv6_first_is_ipv6_first(self) -> None:
        """Also where SSH goes over IPv4."""
        ranges = {"clusterCIDR": "fd00:10:16::/56,10.200.0.0/16", "serviceCIDR": "fd00:10:96::/112,10.96.0.0/16"}
        assert network(**ranges)[:2] == ("dual-stack", "ipv6")


class TestFamilies:
    """Which families are in use."""

    @pytest.mark.parametrize(
        ("pods", "services", "dual", "path"),
        [
            ("10.1.0.0/16", "10.2.0.0/16", True, "clusterCIDR"),
            ("10.1.0.0/16,fd00::/64", "10.2.0.0/16,fd01::/112", False, "clusterCIDR"),
            ("10.1.0.0/16,fd00::/64", "10.2.0.0/16", None, "serviceCIDR"),
            ("10.1.0.0/16", "fd01::/112", None, "serviceCIDR"),
            ("10.1.0.0/16,10.3.0.0/16", "10.2.0.0/16", None, "clusterCIDR"),
        ],
    )
    def test_fields_that_disagree_are_a_fault(self, pods: Any, services: str, dual: bool | None, path: str) -> None:
        """TKEStack makes something of them that nobody asked for."""
        features = {} if dual is None else {"ipv6DualStack": dual}
        result = imported(changed(dual_stack_cluster(), clusterCIDR=pods, serviceCIDR=services, features=features))
        assert faults(result) == {f"a.json: spec.{path}": "range-families"}

    def test_two_ranges_are_dual_stack_without_the_feature(self) -> None:
        """The ranges say it."""
        assert network(features={})[0] == "dual-stack"

    def test_one_ipv4_range_is_ipv4(self) -> None:
        """Without primary family, and with the machine's address as the node's."""
        result = imported(changed(dual_stack_cluster(), clusterCIDR="10.1.0.0/16", serviceCIDR="10.2.0.0/16", features={}))
        assert result.document is not None
        assert result.document["stack"] == "ipv4"
        assert result.document["hosts"][0]["addresses"] == ["172.22.0.67"]

    def test_hosts_of_an_ipv6_cluster_may_be_reached_over_ipv4(self) -> None:
        """The proposal's solution 2: the addresses of the nodes are found on the hosts."""
        result = imported(ipv6_cluster(ip="172.22.0.67"))
        assert faults(result) == {}
        assert result.document is not None
        assert "addresses" not in result.document["hosts"][0]

    def test_host_bits_are_removed_and_reported(self) -> None:
        """The network that is meant."""
        result = imported(changed(dual_stack_cluster(), serviceCIDR="10.96.0.1/16,fd00:10:96::/112"))
        assert result.document is not None
        assert result.document["network"]["services"][0] == "10.96.0.0/16"
        assert "10.96.0.1/16 has host bits set" in told(result)["a.json: spec.serviceCIDR"]


class TestMasks:
    """Every host gets a range, with room for more hosts."""

    @pytest.mark.parametrize(
        ("cidr", "pods", "mask"),
        [
            ("10.0.0.0/16", None, None),
            ("10.0.0.0/16", 256, None),
            ("10.0.0.0/16", 64, 26),
            ("10.0.0.0/16", 16, 28),
            ("10.0.0.0/22", None, 26),
            ("10.0.0.0/24", None, 28),
            ("10.0.0.0/24", 256, None),
            ("fd00::/56", None, None),
            ("fd00::/48", None, None),
            ("fd00::/40", None, 56),
            ("fd00::/62", None, 70),
            ("fd00::/64", None, 72),
            ("fd00::/64", 64, 72),
            ("fd00::/112", None, 120),
            ("fd00::/118", None, 124),
        ],
    )
    def test_the_mask_that_is_chosen(self, cidr: str, pods: Any, mask: int | None) -> None:
        """The default if it has room, the mask of maxNodePodNum if all hosts fit, else a longer mask."""
        services = "10.96.0.0/16" if "." in cidr else "fd01::/112"
        properties = {} if pods is None else {"maxNodePodNum": pods}
        found = network(clusterCIDR=cidr, serviceCIDR=services, features={}, properties=properties)
        assert found[2] == [(cidr, mask)]

    @pytest.mark.parametrize("cidr", [f"fd00::/{length}" for length in range(48, 121)] + [f"10.0.0.0/{length}" for length in range(8, 25)])
    def test_the_mask_is_one_that_check_accepts(self, cidr: str) -> None:
        """Whatever the length of the range."""
        services = "172.30.0.0/16" if "." in cidr else "fd01::/112"
        cluster = changed(dual_stack_cluster(ip="198.18.0.1"), clusterCIDR=cidr, serviceCIDR=services, features={})
        result = imported(cluster)
        assert faults(result) == {}
        assert read_document(result.document).spec is not None

    def test_a_number_of_pods_without_room_for_all_hosts_is_reported(self) -> None:
        """256 pods a node are /24, of which a /23 holds two."""
        machines = [{**dual_stack_cluster()["spec"]["machines"][0], "ip": f"172.22.0.{number}"} for number in (1, 2, 3)]
        spec = {"clusterCIDR": "10.0.0.0/23", "serviceCIDR": "10.96.0.0/16", "features": {}, "properties": {"maxNodePodNum": 256}}
        result = imported(changed(dual_stack_cluster(), machines=machines, **spec))
        assert "256 pods" in told(result)["network.pods: node_mask 27 of 10.0.0.0/23"]


class TestWithoutServiceRange:
    """TKEStack takes services from the end of the pods' range."""

    def test_the_range_is_cut(self) -> None:
        """Here ranges share no address: pods get the first half, services what maxClusterServiceNum says at the end."""
        properties = {"maxClusterServiceNum": 1024}
        found = network(clusterCIDR="10.0.0.0/16,fd00:10:16::/56", serviceCIDR=None, properties=properties)
        assert found[2:] == ([("10.0.0.0/17", None), ("fd00:10:16::/57", None)], ["10.0.252.0/22", "fd00:10:16:ff:ffff:ffff:ffff:0/112"])

    def test_a_split_range_is_reported(self) -> None:
        """With the reason."""
        result = imported(changed(dual_stack_cluster(), clusterCIDR="10.0.0.0/16", serviceCIDR=None, features={}))
        assert "network.services: 10.0.255.0/24" in told(result)["a.json: spec.clusterCIDR"]
        assert faults(result) == {}

    def test_a_range_that_is_too_small_is_a_fault(self) -> None:
        """For pods and services together."""
        result = imported(changed(dual_stack_cluster(), clusterCIDR="10.0.0.0/24", serviceCIDR=None, features={}))
        assert faults(result) == {"a.json: spec.clusterCIDR": "range-too-small"}

    def test_a_number_of_services_beside_a_range_is_not_taken(self) -> None:
        """The range says how many there can be."""
        result = imported(changed(dual_stack_cluster(), properties={"maxClusterServiceNum": 256}))
        assert "not taken over" in told(result)["a.json: spec.properties.maxClusterServiceNum"]

    def test_no_range_at_all_is_a_fault(self) -> None:
        """TKEStack would take a default of its own."""
        assert faults(imported(changed(dual_stack_cluster(), clusterCIDR=None))) == {"a.json: spec.clusterCIDR": "missing-field"}
