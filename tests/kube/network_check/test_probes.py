"""Which paths the network check tries, and how it reads the answers."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from cluster.families import Family
from cluster.network_report import Check, CheckKind, Layer
from kube.client import Document
from kube.network_check.pods import Endpoint, ProbeService
from kube.network_check.probes import Probe, judge, plan_probes, written

ADDRESSES = {"a": ("198.18.0.11", "fd66::11"), "b": ("198.18.0.12", "fd66::12")}
NODES: list[Document] = [
    {"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": text} for text in texts]}}
    for name, texts in ADDRESSES.items()
]
SERVICE = ProbeService("ns", (ip_address("10.96.1.1"), ip_address("fd44::1:1")), 30001, 29417)


def endpoint(node: str, host_network: bool) -> Endpoint:
    """A probe pod on a node."""
    texts = ADDRESSES[node] if host_network else (f"10.244.{ord(node)}.2", f"fd44:0:0:{ord(node)}::2")
    name, pod = (f"node {node}", f"host-{node}") if host_network else (f"pod on {node}", f"pod-{node}")
    return Endpoint(name, node, pod, host_network, tuple(ip_address(text) for text in texts))


ALL = [endpoint(node, host_network) for node in "ab" for host_network in (True, False)]


def plan(source: Endpoint) -> list[Probe]:
    """What a source tries."""
    return plan_probes(source, ALL, SERVICE, NODES, "cluster.local")


def http_probe() -> Probe:
    """One HTTP probe over IPv6."""
    return next(probe for probe in plan(ALL[1]) if probe.kind is CheckKind.HTTP and probe.family is Family.IPV6)


def dns_probe() -> Probe:
    """The look-up of the A record."""
    return next(probe for probe in plan(ALL[1]) if probe.kind is CheckKind.DNS)


def verdict(probe: Probe, line: str) -> Check:
    """What an answer means."""
    return judge([probe], line, "silence")[0]


def test_every_other_endpoint_is_tried_over_each_family_by_ping_and_http() -> None:
    """Node to node is the machines' network; a pod at either end brings the CNI in."""
    tried = {(probe.kind, probe.layer, probe.target) for probe in plan(ALL[0]) if probe.kind in (CheckKind.PING, CheckKind.HTTP)}
    assert len(tried) == 3 * 2 * 2
    assert (CheckKind.PING, Layer.NODE_NETWORK, "node b fd66::12") in tried
    assert (CheckKind.HTTP, Layer.POD_NETWORK, "pod on a 10.244.97.2") in tried
    assert {probe.layer for probe in plan(ALL[1])} == {Layer.POD_NETWORK, Layer.SERVICE, Layer.DNS}


def test_a_node_tries_the_node_port_on_every_node_address() -> None:
    """Its own included, in each family; pods do not."""
    assert sorted(probe.address for probe in plan(ALL[0]) if probe.kind is CheckKind.NODE_PORT) == [
        "http://198.18.0.11:30001/",
        "http://198.18.0.12:30001/",
        "http://[fd66::11]:30001/",
        "http://[fd66::12]:30001/",
    ]
    assert not [probe for probe in plan(ALL[1]) if probe.kind is CheckKind.NODE_PORT]


@pytest.mark.parametrize("source", ALL, ids=lambda source: source.name)
def test_every_source_tries_the_service_and_its_name_in_each_family(source: Endpoint) -> None:
    """ClusterIP for kube-proxy, A and AAAA for cluster DNS."""
    assert [probe.target for probe in plan(source) if probe.kind is CheckKind.CLUSTER_IP] == ["service 10.96.1.1", "service fd44::1:1"]
    names = [(probe.target, str(probe.resolves_to)) for probe in plan(source) if probe.kind is CheckKind.DNS]
    assert names == [("A of probe.ns.svc.cluster.local", "10.96.1.1"), ("AAAA of probe.ns.svc.cluster.local", "fd44::1:1")]


def test_the_script_is_told_one_probe_a_line() -> None:
    """Number, method, family, target; and where it ends."""
    ping = Probe(CheckKind.PING, Layer.POD_NETWORK, Family.IPV4, "s", "t", "10.0.0.1")
    assert written([ping, http_probe()]) == "0 ping 4 10.0.0.1\n1 http 6 http://[fd66::11]:29417/\nend\n"


def test_the_right_answer_is_ok() -> None:
    """The pod that was asked gives its name."""
    assert verdict(http_probe(), "0 0 1 host-a fd66::11").ok


def test_an_answer_from_somebody_else_is_not() -> None:
    """A wrong route or a proxy in between answers too."""
    check = verdict(http_probe(), "0 0 1 <html> fd66::11")
    assert (check.ok, check.detail) == (False, "'<html>' answered, which is somebody else")


def test_a_failed_connection_is_told_in_curls_words() -> None:
    """Timed out and refused are different things to look for."""
    check = verdict(http_probe(), "0 28 3 curl: (28) Connection timed out after 3001 milliseconds")
    assert (check.ok, check.detail, check.layer) == (False, "(28) Connection timed out after 3001 milliseconds", Layer.POD_NETWORK)


def test_a_lost_ping_is_told() -> None:
    """In either ping's words."""
    probe = Probe(CheckKind.PING, Layer.POD_NETWORK, Family.IPV4, "s", "t", "10.0.0.1")
    line = "0 1 3 PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data. --- 1 packets transmitted, 0 received, 100% packet loss, time 0ms"
    assert verdict(probe, line).detail == "no answer (100% packet loss)"
    assert verdict(probe, "0 0 1 whatever").ok


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("0 0 1 pod-a 10.96.1.1", ""),
        ("0 0 1 pod-a 10.9.9.9", "resolved to 10.9.9.9, the service's address is 10.96.1.1"),
        ("0 6 3 curl: (6) Could not resolve host: probe.ns.svc.cluster.local.", "(6) Could not resolve host: probe.ns.svc.cluster.local."),
        ("0 28 3 curl: (28) Resolving timed out after 4000 milliseconds", "(28) Resolving timed out after 4000 milliseconds"),
        ("0 7 3 curl: (7) Failed to connect to probe port 80: Connection refused", ""),
    ],
)
def test_a_name_is_judged_by_what_it_resolves_to(line: str, detail: str) -> None:
    """That the service behind it does not answer is another probe's finding."""
    assert verdict(dns_probe(), line).detail == detail


def test_a_probe_that_was_not_reported_is_not_ok() -> None:
    """Silence is never success."""
    checks = judge([http_probe(), dns_probe()], "1 0 1 pod-a 10.96.1.1", "the pod was lost")
    assert [(check.ok, check.detail) for check in checks] == [(False, "the pod was lost"), (True, "")]
