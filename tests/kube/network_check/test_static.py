"""The addresses of nodes and pods, compared with the expected ones."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from cluster.network.expected import ExpectedNetwork
from cluster.vocabulary.families import Family
from kube.client import Document
from kube.network_check.pods import Endpoint
from kube.network_check.static import check_labels, check_nodes, check_pods

BOTH = (Family.IPV4, Family.IPV6)


def node(name: str, *texts: str, ranges: tuple[str, ...] = (), labels: dict[str, str] | None = None) -> Document:
    """A Node object with these InternalIPs."""
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"podCIDRs": list(ranges)},
        "status": {"addresses": [{"type": "InternalIP", "address": text} for text in texts]},
    }


def expected(**nodes: tuple[str, ...]) -> ExpectedNetwork:
    """A dual-stack cluster, IPv4 first."""
    return ExpectedNetwork(BOTH, {name: tuple(ip_address(text) for text in texts) for name, texts in nodes.items()})


def test_the_order_of_node_addresses_counts() -> None:
    """The first address determines the primary family."""
    asked = expected(a=("198.18.0.11", "fd66::11"))
    assert check_nodes([node("a", "198.18.0.11", "fd66::11")], asked)[0].ok
    assert "has fd66::11, 198.18.0.11" in check_nodes([node("a", "fd66::11", "198.18.0.11")], asked)[0].detail


def test_a_node_that_has_not_joined_is_a_failure() -> None:
    """A missing node has its own message, without addresses."""
    assert check_nodes([], expected(a=("198.18.0.11", "fd66::11")))[0].detail == "the node has not joined the cluster"


def test_without_expected_addresses_the_families_count() -> None:
    """For clusters without a file, and nodes that are not in the file."""
    assert check_nodes([node("b", "10.0.0.1", "fd00::1")], expected())[0].ok
    assert "expected IPv4 then IPv6" in check_nodes([node("b", "10.0.0.1")], expected())[0].detail


def test_without_expected_addresses_several_addresses_of_a_family_are_correct() -> None:
    """The first address of each family counts."""
    assert check_nodes([node("b", "10.0.0.1", "10.0.0.2", "fd00::1")], expected())[0].ok
    assert not check_nodes([node("b", "fd00::1", "10.0.0.1")], expected())[0].ok


def test_a_node_has_a_pod_range_of_each_family() -> None:
    """Only if it has any: a plug-in with its own pools needs none."""
    assert check_nodes([node("b", "10.0.0.1", "fd00::1", ranges=("10.244.0.0/24", "fd44::/64"))], expected())[1].ok
    assert "has 10.244.0.0/24" in check_nodes([node("b", "10.0.0.1", "fd00::1", ranges=("10.244.0.0/24",))], expected())[1].detail
    assert len(check_nodes([node("b", "10.0.0.1", "fd00::1")], expected())) == 1


def test_a_wrong_and_a_missing_label_are_reported() -> None:
    """With key, current and expected value. A node without expected labels is not checked."""
    asked = ExpectedNetwork(BOTH, {}, labels={"a": {"ipv4": "198.18.0.11", "ipv6": "fd66"}})
    assert check_labels([node("a", labels={"ipv4": "198.18.0.11", "ipv6": "fd66"})], asked)[0].ok
    wrong = check_labels([node("a", labels={"ipv4": "198.18.0.12"}), node("b")], asked)
    assert [check.detail for check in wrong] == ["label ipv4 is '198.18.0.12', expected '198.18.0.11'; label ipv6 is missing"]


def test_a_pod_has_an_address_per_family_in_order() -> None:
    """A pod with only one family is reported with its addresses."""
    both = Endpoint("pod on a", "a", "pod-0", False, (ip_address("10.244.0.2"), ip_address("fd44::2")))
    one = Endpoint("pod on b", "b", "pod-1", False, (ip_address("10.244.1.2"),))
    checks = check_pods([both, one], [], expected())
    assert [check.ok for check in checks] == [True, False]
    assert "has 10.244.1.2, expected IPv4 then IPv6" in checks[1].detail


def test_a_pods_addresses_come_from_the_pod_ranges() -> None:
    """Addresses of a plug-in with other ranges are detected."""
    asked = ExpectedNetwork(BOTH, {}, pod_ranges=(ip_network("10.244.0.0/16"), ip_network("fd44::/56")))
    stray = Endpoint("pod on a", "a", "pod-0", False, (ip_address("10.88.0.2"), ip_address("fd44::2")))
    assert check_pods([stray], [], asked)[0].detail == "10.88.0.2 is outside the pod ranges 10.244.0.0/16, fd44::/56"


def test_a_host_network_pod_has_its_nodes_addresses() -> None:
    """The pod shares the addresses of its node."""
    shared = Endpoint("node a", "a", "host-0", True, (ip_address("10.0.0.1"), ip_address("fd00::1")))
    assert check_pods([shared], [node("a", "10.0.0.1", "fd00::1")], expected())[0].ok
    assert "fd00::1 is not an address of its node" in check_pods([shared], [node("a", "10.0.0.1")], expected())[0].detail
