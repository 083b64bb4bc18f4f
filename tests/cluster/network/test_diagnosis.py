"""Diagnosis of failed checks."""

from __future__ import annotations

from cluster.network.checks import Check, CheckKind, Layer
from cluster.network.diagnosis import LOOK_AT, Finding, diagnose
from cluster.vocabulary.families import Family

V4, V6 = Family.IPV4, Family.IPV6
NODES = ("a", "b", "c")


def failed(kind: CheckKind, layer: Layer, family: Family | None, source: str, target: str = "") -> Check:
    """A failed check between two nodes or of one node."""
    return Check(kind, family, f"from {source}", f"to {target}" if target else "", layer, False, "no answer", source, target)


def found(*checks: Check, primary: Family = V4) -> tuple[Finding, ...]:
    """The findings in a dual-stack cluster of three nodes."""
    return diagnose(checks, (primary, V6 if primary is V4 else V4), NODES)


def ping(source: str, target: str, family: Family = V6, layer: Layer = Layer.POD_NETWORK) -> Check:
    """A failed ping between pods."""
    return failed(CheckKind.PING, layer, family, source, target)


def test_the_common_node_of_all_failures_is_reported() -> None:
    """Two of three nodes cannot reach the third: the finding has the third node."""
    (finding,) = found(ping("a", "c"), ping("c", "a"), ping("b", "c"))
    assert (finding.layer, finding.nodes, finding.families, len(finding.checks)) == (Layer.POD_NETWORK, ("c",), (V6,), 3)
    assert "CNI plug-in" in finding.look_at


def test_a_single_pair_is_reported_as_a_pair() -> None:
    """The faulty end is unknown."""
    assert found(ping("a", "c"), ping("c", "a"))[0].nodes == ("a", "c")


def test_failures_everywhere_have_no_node() -> None:
    """The finding applies to all nodes."""
    assert found(ping("a", "b"), ping("b", "c"), ping("c", "a"))[0].nodes == ()


def test_one_fault_over_both_families_is_one_finding() -> None:
    """Families are named in the cluster's order."""
    (finding,) = found(ping("a", "c"), ping("b", "c"), ping("a", "c", V4), ping("b", "c", V4), primary=V6)
    assert finding.families == (V6, V4)


def test_service_failures_follow_from_the_pod_network() -> None:
    """Services choose pods on any node, including the unreachable one."""
    service = failed(CheckKind.CLUSTER_IP, Layer.SERVICE, V6, "a")
    port = failed(CheckKind.NODE_PORT, Layer.SERVICE, V6, "b", "c")
    (finding,) = found(ping("a", "c"), ping("b", "c"), service, port)
    assert finding.follows == 2
    assert " 2 checks failed" in finding.summary


def test_a_service_failure_of_the_other_family_is_a_separate_finding() -> None:
    """No deeper layer failed in this family."""
    findings = found(ping("a", "c"), failed(CheckKind.CLUSTER_IP, Layer.SERVICE, V4, "a"))
    assert [(finding.layer, finding.families) for finding in findings] == [(Layer.POD_NETWORK, (V6,)), (Layer.SERVICE, (V4,))]


def test_pod_failures_follow_from_the_node_network() -> None:
    """The tunnel uses the same path."""
    (finding,) = found(ping("a", "c", layer=Layer.NODE_NETWORK), ping("a", "c"), ping("c", "a", layer=Layer.EGRESS))
    assert (finding.layer, finding.nodes) == (Layer.NODE_NETWORK, ("a", "c"))


def test_a_closed_port_of_a_node_is_no_pod_network_fault() -> None:
    """The firewall refuses pods and nodes alike."""
    machine = Check(CheckKind.HTTP, V6, "node a", "node c fd66::13", Layer.NODE_NETWORK, False, "timed out", "a", "c")
    pod = Check(CheckKind.HTTP, V6, "pod on c", "node c fd66::13", Layer.EGRESS, False, "timed out", "c", "c")
    assert [finding.layer for finding in found(machine, pod)] == [Layer.NODE_NETWORK]


def test_dns_failures_follow_from_the_path_to_cluster_dns() -> None:
    """All queries use the primary family."""
    names = [failed(CheckKind.DNS, Layer.DNS, family, "b") for family in (V4, V6)]
    dead_proxy = failed(CheckKind.CLUSTER_IP, Layer.SERVICE, V4, "b")
    assert [finding.layer for finding in found(dead_proxy, *names)] == [Layer.SERVICE]
    assert [finding.layer for finding in found(dead_proxy, *names, primary=V6)] == [Layer.SERVICE, Layer.DNS]


def test_fragmentation_follows_from_the_mtu_of_a_path() -> None:
    """Without the MTU failure it is a separate finding."""
    path, cut = failed(CheckKind.MTU, Layer.POD_NETWORK, V6, "a", "c"), failed(CheckKind.MTU, Layer.POD_NETWORK, V6, "c")
    assert [(finding.subject, finding.nodes, finding.follows) for finding in found(path, cut)] == [(CheckKind.MTU, ("a", "c"), 1)]
    assert found(cut)[0].nodes == ("c",)


def test_a_failed_probe_explains_no_other_failure() -> None:
    """It is independent of the network, and other faults are still reported."""
    assert len(found(failed(CheckKind.PROBE, Layer.NODE, None, "c"), ping("a", "c"))) == 2


def test_deeper_layers_come_first() -> None:
    """The first finding is the one to fix first."""
    label = failed(CheckKind.NODE_LABELS, Layer.LABELS, None, "a")
    policy = failed(CheckKind.NETWORK_POLICY, Layer.NETWORK_POLICY, V4, "a", "b")
    assert [finding.layer for finding in found(policy, ping("b", "c"), label)] == [Layer.LABELS, Layer.POD_NETWORK, Layer.NETWORK_POLICY]


def test_every_layer_has_advice() -> None:
    """And a working network has no findings."""
    assert set(Layer) <= set(LOOK_AT)
    assert found() == ()
