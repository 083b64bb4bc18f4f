"""The addresses of nodes and pods, compared with what was asked for."""

from __future__ import annotations

from ipaddress import ip_address

from cluster.families import Family
from cluster.network_report import ExpectedNetwork
from kube.client import Document
from kube.network_check.pods import Endpoint
from kube.network_check.static import check_nodes, check_pods

BOTH = (Family.IPV4, Family.IPV6)


def node(name: str, *texts: str) -> Document:
    """A Node object with these InternalIPs."""
    return {"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": text} for text in texts]}}


def expected(**nodes: tuple[str, ...]) -> ExpectedNetwork:
    """A dual-stack cluster, IPv4 first."""
    return ExpectedNetwork(BOTH, {name: tuple(ip_address(text) for text in texts) for name, texts in nodes.items()})


def test_the_order_of_node_addresses_counts() -> None:
    """The first one decides the primary family."""
    asked = expected(a=("198.18.0.11", "fd66::11"))
    assert check_nodes([node("a", "198.18.0.11", "fd66::11")], asked)[0].ok
    assert "it has fd66::11, 198.18.0.11" in check_nodes([node("a", "fd66::11", "198.18.0.11")], asked)[0].detail


def test_a_node_that_has_not_joined_is_a_failure() -> None:
    """It has no addresses to compare, so this says it."""
    assert check_nodes([], expected(a=("198.18.0.11", "fd66::11")))[0].detail == "the node has not joined the cluster"


def test_without_asked_addresses_the_families_count() -> None:
    """For clusters whose file we do not have, and nodes that are not in it."""
    assert check_nodes([node("b", "10.0.0.1", "fd00::1")], expected())[0].ok
    assert "asked for: IPv4 then IPv6" in check_nodes([node("b", "10.0.0.1")], expected())[0].detail


def test_a_pod_has_an_address_per_family_in_order() -> None:
    """A pod that got one family only is named with what it has."""
    both = Endpoint("pod on a", "a", "pod-0", False, (ip_address("10.244.0.2"), ip_address("fd44::2")))
    one = Endpoint("pod on b", "b", "pod-1", False, (ip_address("10.244.1.2"),))
    checks = check_pods([both, one], BOTH)
    assert [check.ok for check in checks] == [True, False]
    assert "it has 10.244.1.2, asked for: IPv4 then IPv6" in checks[1].detail
