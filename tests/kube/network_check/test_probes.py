"""The probes of the network check."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from cluster.network.checks import CheckKind, Layer
from cluster.vocabulary.families import Family
from kube.network_check.pods import Endpoint
from kube.network_check.probes import mtu_probes, plan_probes
from kube.network_check.settings import Settings
from tests.kube.network_check.scope import ALL, NODE_A, POD_A, scope


def targets(source: Endpoint, kind: CheckKind) -> list[str]:
    """The targets of a source for one kind of check."""
    return [probe.target for probe in plan_probes(source, scope()) if probe.kind is kind]


def test_every_other_endpoint_is_probed_over_each_family_with_ping_and_http() -> None:
    """Node to node uses the network of the machines, a pod at either end uses the CNI, and pod to node leaves the pod network."""
    tried = {
        (probe.kind, probe.layer, probe.target) for probe in plan_probes(NODE_A, scope()) if probe.kind in (CheckKind.PING, CheckKind.HTTP)
    }
    assert len(tried) == 3 * 2 * 2
    assert (CheckKind.PING, Layer.NODE_NETWORK, "node b fd66::12") in tried
    assert (CheckKind.HTTP, Layer.POD_NETWORK, "pod on a 10.244.97.2") in tried
    layers = {probe.target: probe.layer for probe in plan_probes(POD_A, scope()) if probe.kind is CheckKind.PING}
    assert layers["pod on b 10.244.98.2"] is Layer.POD_NETWORK
    assert layers["node b 198.18.0.12"] is layers["node a fd66::11"] is Layer.EGRESS


def test_only_pairs_are_probed() -> None:
    """Without a pair, a node probes only its own pod."""
    alone = scope(pairs={"a": frozenset(), "b": frozenset()})
    assert {probe.target_node for probe in plan_probes(NODE_A, alone)} == {"a", ""}
    assert mtu_probes(POD_A, alone) == []


def test_a_node_probes_the_node_port_on_every_node_address() -> None:
    """In each family, with its own addresses; for a second service only its own addresses. Pods do not probe NodePorts."""
    assert sorted(probe.address for probe in plan_probes(NODE_A, scope()) if probe.kind is CheckKind.NODE_PORT) == [
        "http://198.18.0.11:30001/",
        "http://198.18.0.11:30004/",
        "http://198.18.0.12:30001/",
        "http://[fd66::11]:30001/",
        "http://[fd66::11]:30004/",
        "http://[fd66::12]:30001/",
    ]
    assert targets(POD_A, CheckKind.NODE_PORT) == []


@pytest.mark.parametrize("source", ALL, ids=lambda source: str(source.name))
def test_every_source_probes_the_main_service_and_its_name_in_each_family(source: Endpoint) -> None:
    """ClusterIP for kube-proxy, A and AAAA for cluster DNS."""
    assert targets(source, CheckKind.CLUSTER_IP)[:2] == ["service 10.96.1.1 (prefer)", "service fd44::1:1 (prefer)"]
    names = [(probe.target, set(probe.addresses)) for probe in plan_probes(source, scope()) if probe.kind is CheckKind.DNS]
    assert names == [
        ("A of prefer.ns.svc.cluster.local.", {ip_address("10.96.1.1")}),
        ("AAAA of prefer.ns.svc.cluster.local.", {ip_address("fd44::1:1")}),
    ]


def test_a_single_stack_service_has_one_family() -> None:
    """The primary family, or the requested family."""
    assert {"service 10.96.1.2 (single)", "service fd44::1:3 (single-second)"} <= set(targets(POD_A, CheckKind.CLUSTER_IP))
    assert "service fd44::1:2 (single)" not in targets(POD_A, CheckKind.CLUSTER_IP)


def test_a_headless_name_has_the_pods_of_its_families_and_no_others() -> None:
    """No AAAA record for a service with IPv4 only."""
    assert targets(POD_A, CheckKind.HEADLESS) == [
        "A of headless-single.ns.svc.cluster.local.",
        "no AAAA of headless-single.ns.svc.cluster.local.",
        "A of headless-prefer.ns.svc.cluster.local.",
        "AAAA of headless-prefer.ns.svc.cluster.local.",
        "A of headless-require.ns.svc.cluster.local.",
        "AAAA of headless-require.ns.svc.cluster.local.",
    ]


def test_addresses_are_looked_up_and_clients_stay_with_one_pod() -> None:
    """PTR of each address, and session affinity over each family."""
    assert targets(POD_A, CheckKind.REVERSE_DNS) == ["PTR of 10.96.1.1", "PTR of fd44::1:1"]
    assert len(targets(POD_A, CheckKind.SESSION_AFFINITY)) == 2


def test_a_pod_is_seen_as_its_node_with_nat_and_as_itself_without() -> None:
    """Here IPv4 is translated and IPv6 is routed. Only other nodes are probed."""
    seen = {
        probe.family: (probe.target, set(probe.addresses))
        for probe in plan_probes(POD_A, scope())
        if probe.kind is CheckKind.SOURCE_ADDRESS
    }
    assert seen == {
        Family.IPV4: ("node b 198.18.0.12", {ip_address("198.18.0.11")}),
        Family.IPV6: ("node b fd66::12", {ip_address("fd44:0:0:97::2")}),
    }


def test_addresses_outside_are_pinged_by_pods_over_families_in_use() -> None:
    """The owner specifies these addresses."""
    outside = scope(settings=Settings("image", outside=(ip_address("198.18.0.1"), ip_address("fd66::1"))))
    assert [probe.address for probe in plan_probes(POD_A, outside) if probe.kind is CheckKind.OUTSIDE] == ["198.18.0.1", "fd66::1"]
    assert not [probe for probe in plan_probes(NODE_A, outside) if probe.kind is CheckKind.OUTSIDE]


def test_large_packets_go_from_pod_to_pod_of_other_nodes() -> None:
    """Over each family."""
    assert [probe.target for probe in mtu_probes(POD_A, scope())] == ["pod on b 10.244.98.2", "pod on b fd44:0:0:98::2"]
    assert mtu_probes(NODE_A, scope()) == []


def test_a_quick_check_has_one_service_and_fewer_kinds() -> None:
    """The check at the end of create-cluster."""
    quick = scope(settings=Settings("image", full=False))
    kinds = {probe.kind for source in ALL for probe in plan_probes(source, quick)}
    assert kinds == {CheckKind.PING, CheckKind.HTTP, CheckKind.CLUSTER_IP, CheckKind.NODE_PORT, CheckKind.DNS}
