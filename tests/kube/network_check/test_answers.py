"""The encoding of the probes, and the interpretation of the answers."""

from __future__ import annotations

import pytest

from cluster.network.checks import Check, CheckKind, Layer
from cluster.vocabulary.families import Family
from kube.network_check.answers import encode, judge
from kube.network_check.probes import Probe, mtu_probes, plan_probes
from kube.network_check.settings import Settings
from tests.kube.network_check.scope import POD_A, scope


def probe_of(kind: CheckKind, family: Family = Family.IPV4, target: str = "") -> Probe:
    """The first probe of this kind and family of the pod on node a."""
    everything = [*plan_probes(POD_A, scope()), *mtu_probes(POD_A, scope())]
    return next(probe for probe in everything if probe.kind is kind and probe.family is family and target in probe.target)


def verdict(probe: Probe, line: str) -> Check:
    """The check for an answer."""
    return judge([probe], line, "silence")[0]


def test_the_input_has_one_line_for_each_probe() -> None:
    """First the limits, then number, method, family and target of each probe, then the end."""
    probes = [probe_of(CheckKind.PING, target="pod on b"), probe_of(CheckKind.HTTP, Family.IPV6, "node b")]
    assert encode(probes, Settings("image", tries=2, seconds=1)) == (
        "2 1 29417\n0 ping 4 10.244.98.2\n1 http 6 http://[fd66::12]:29417/\nend\n"
    )


def test_the_right_answer_is_ok() -> None:
    """The target pod answers with its name."""
    check = verdict(probe_of(CheckKind.HTTP, Family.IPV6, "node b"), "0 0 1 host-b fd66::12")
    assert (check.ok, check.layer, check.source_node, check.target_node) == (True, Layer.EGRESS, "a", "b")


def test_an_answer_of_another_server_is_a_fault() -> None:
    """With a wrong route, or a proxy in between, another server answers."""
    check = verdict(probe_of(CheckKind.HTTP), "0 0 1 <html> fd66::11")
    assert (check.ok, check.detail) == (False, "another pod answered: '<html>'")


def test_a_failed_connection_has_the_message_of_curl() -> None:
    """A timeout and a refusal have different causes."""
    check = verdict(probe_of(CheckKind.HTTP, target="pod on b"), "0 28 3  curl: (28) Connection timed out after 3001 milliseconds")
    assert (check.ok, check.detail, check.layer) == (False, "(28) Connection timed out after 3001 milliseconds", Layer.POD_NETWORK)
    newer = "0 28 3  curl: (28) Failed to connect to fd44::2 port 29417 after 3001 ms: Timeout was reached fd44::2"
    assert verdict(probe_of(CheckKind.HTTP), newer).detail.startswith("(28) Timeout was reached")


def test_a_lost_ping_is_a_fault() -> None:
    """In the output of both implementations of ping."""
    line = "0 1 3 PING 10.0.0.1 (10.0.0.1) 56(84) bytes of data. --- 1 packets transmitted, 0 received, 100% packet loss, time 0ms"
    assert verdict(probe_of(CheckKind.PING), line).detail == "no answer (100% packet loss)"
    assert verdict(probe_of(CheckKind.PING), "0 0 1 whatever").ok


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("0 0 1 pod-a 10.96.1.1", ""),
        ("0 0 1 pod-a 10.9.9.9", "resolved to 10.9.9.9, expected 10.96.1.1"),
        ("0 6 3 curl: (6) Could not resolve host: prefer.ns.svc", "(6) Could not resolve host: prefer.ns.svc"),
        ("0 28 3 curl: (28) Resolving timed out after 4000 milliseconds", "(28) Resolving timed out after 4000 milliseconds"),
        ("0 7 3 curl: (7) Failed to connect to probe port 80: Connection refused", ""),
    ],
)
def test_a_name_is_judged_by_what_it_resolves_to(line: str, detail: str) -> None:
    """Another probe checks whether the service answers."""
    assert verdict(probe_of(CheckKind.DNS), line).detail == detail


def test_a_headless_name_has_any_pods_address() -> None:
    """An address of another family is a fault."""
    found = probe_of(CheckKind.HEADLESS)
    assert verdict(found, "0 0 1 pod-b 10.244.98.2").ok
    assert "expected 10.244.97.2 or 10.244.98.2" in verdict(found, "0 0 1 pod-b 10.96.1.1").detail
    none = probe_of(CheckKind.HEADLESS, Family.IPV6, "no AAAA")
    assert verdict(none, "0 0 1 curl: (6) Could not resolve host").ok
    assert verdict(none, "0 1 3 pod-b fd44::2").detail == "unexpected address: pod-b fd44::2"
    assert verdict(none, "0 1 3 curl: (28) Resolving timed out after 4000 milliseconds").detail.startswith("(28) Resolving timed out")


def test_an_address_has_its_services_name() -> None:
    """The PTR record, in the output of getent."""
    reverse = probe_of(CheckKind.REVERSE_DNS)
    assert verdict(reverse, "0 0 1 10.96.1.1 prefer.ns.svc.cluster.local").ok
    assert verdict(reverse, "0 0 1 10.96.1.1 other.ns.svc.cluster.local").detail.startswith("resolved to other.")
    assert verdict(reverse, "0 2 3").detail == "no name found"
    assert verdict(reverse, "0 124 3").detail == "no answer in time"


def test_one_client_keeps_one_pod() -> None:
    """Four connections must give one name."""
    affinity = probe_of(CheckKind.SESSION_AFFINITY)
    assert verdict(affinity, "0 0 1 pod-b 10.96.1.5 pod-b 10.96.1.5 pod-b 10.96.1.5 pod-b 10.96.1.5").ok
    assert "several pods answered" in verdict(affinity, "0 0 1 pod-b 10.96.1.5 pod-a 10.96.1.5 pod-b 10.96.1.5 pod-b 10.96.1.5").detail
    assert verdict(affinity, "0 7 3 curl: (7) refused").detail == "(7) refused"


@pytest.mark.parametrize(
    ("family", "line", "ok"),
    [
        (Family.IPV4, "0 0 1 198.18.0.11:41234", True),
        (Family.IPV4, "0 0 1 [::ffff:198.18.0.11]:41234", True),
        (Family.IPV4, "0 0 1 10.244.97.2:41234", False),
        (Family.IPV6, "0 0 1 [fd44:0:0:97::2]:41234", True),
        (Family.IPV6, "0 0 1 [fd66::11]:41234", False),
        (Family.IPV6, "0 1 3 ", False),
    ],
)
def test_the_source_address_is_the_expected_one(family: Family, line: str, ok: bool) -> None:
    """The node's address with NAT, the pod's address without NAT."""
    check = verdict(probe_of(CheckKind.SOURCE_ADDRESS, family), line)
    assert check.ok is ok
    assert check.detail.startswith("seen as" if "0 0 1" in line else "no answer over UDP")


@pytest.mark.parametrize(
    ("line", "ok", "detail"),
    [
        ("0 0 1 1450 of 1450", True, "1450 bytes"),
        ("0 1 1 1430 of 1450", False, "the largest unfragmented packet has 1430 bytes, the pod's interface sends 1450"),
        ("0 1 1 0 of 1450", False, "packets of 1450 bytes and packets of half that size are lost"),
        ("0 1 1 ping: not found", False, "no measurement: ping: not found"),
    ],
)
def test_the_largest_packet_is_that_of_the_pods_interface(line: str, ok: bool, detail: str) -> None:
    """A smaller packet shows a wrong MTU on the path."""
    check = verdict(probe_of(CheckKind.MTU), line)
    assert (check.ok, check.detail) == (ok, detail)


def test_a_probe_without_an_answer_is_a_fault() -> None:
    """A missing answer is never a success."""
    checks = judge([probe_of(CheckKind.HTTP), probe_of(CheckKind.DNS)], "1 0 1 pod-a 10.96.1.1", "the pod was lost")
    assert [(check.ok, check.detail) for check in checks] == [(False, "the pod was lost"), (True, "")]
