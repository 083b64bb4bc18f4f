"""From failed checks to what is broken."""

from __future__ import annotations

from cluster.network.checks import Check, CheckKind, Layer
from cluster.network.diagnosis import LOOK_AT, Finding, diagnose
from cluster.vocabulary.families import Family

V4, V6 = Family.IPV4, Family.IPV6
NODES = ("a", "b", "c")


def failed(kind: CheckKind, layer: Layer, family: Family | None, source: str, target: str = "") -> Check:
    """One that failed, between two nodes or at one."""
    return Check(kind, family, f"from {source}", f"to {target}" if target else "", layer, False, "no answer", source, target)


def found(*checks: Check, primary: Family = V4) -> tuple[Finding, ...]:
    """The findings in a dual-stack cluster of three nodes."""
    return diagnose(checks, (primary, V6 if primary is V4 else V4), NODES)


def ping(source: str, target: str, family: Family = V6, layer: Layer = Layer.POD_NETWORK) -> Check:
    """A ping between pods that failed."""
    return failed(CheckKind.PING, layer, family, source, target)


def test_the_node_that_all_failures_share_is_named() -> None:
    """Two of three nodes do not reach the third: it is the third."""
    (finding,) = found(ping("a", "c"), ping("c", "a"), ping("b", "c"))
    assert (finding.layer, finding.nodes, finding.families, len(finding.checks)) == (Layer.POD_NETWORK, ("c",), (V6,), 3)
    assert "CNI plug-in" in finding.look_at


def test_one_pair_is_named_as_a_pair() -> None:
    """Which end it is cannot be told."""
    assert found(ping("a", "c"), ping("c", "a"))[0].nodes == ("a", "c")


def test_failures_all_over_the_cluster_accuse_no_node() -> None:
    """It is everywhere."""
    assert found(ping("a", "b"), ping("b", "c"), ping("c", "a"))[0].nodes == ()


def test_one_fault_over_both_families_is_one_finding() -> None:
    """Families are named in the cluster's order."""
    (finding,) = found(ping("a", "c"), ping("b", "c"), ping("a", "c", V4), ping("b", "c", V4), primary=V6)
    assert finding.families == (V6, V4)


def test_services_follow_from_the_pod_network_below_them() -> None:
    """They choose pods anywhere, also on the node that is cut off."""
    service = failed(CheckKind.CLUSTER_IP, Layer.SERVICE, V6, "a")
    port = failed(CheckKind.NODE_PORT, Layer.SERVICE, V6, "b", "c")
    (finding,) = found(ping("a", "c"), ping("b", "c"), service, port)
    assert finding.follows == 2
    assert " 2 checks failed" in finding.summary


def test_a_service_of_the_other_family_is_a_fault_of_its_own() -> None:
    """Nothing below it failed."""
    findings = found(ping("a", "c"), failed(CheckKind.CLUSTER_IP, Layer.SERVICE, V4, "a"))
    assert [(finding.layer, finding.families) for finding in findings] == [(Layer.POD_NETWORK, (V6,)), (Layer.SERVICE, (V4,))]


def test_pods_follow_from_machines_that_do_not_reach_each_other() -> None:
    """The tunnel goes the same way."""
    (finding,) = found(ping("a", "c", layer=Layer.NODE_NETWORK), ping("a", "c"), ping("c", "a", layer=Layer.EGRESS))
    assert (finding.layer, finding.nodes) == (Layer.NODE_NETWORK, ("a", "c"))


def test_a_shut_port_of_a_machine_is_not_the_pod_networks_fault() -> None:
    """Pods that ask for it are refused as machines are."""
    machine = Check(CheckKind.HTTP, V6, "node a", "node c fd66::13", Layer.NODE_NETWORK, False, "timed out", "a", "c")
    pod = Check(CheckKind.HTTP, V6, "pod on c", "node c fd66::13", Layer.EGRESS, False, "timed out", "c", "c")
    assert [finding.layer for finding in found(machine, pod)] == [Layer.NODE_NETWORK]


def test_names_follow_from_the_way_to_cluster_dns() -> None:
    """It goes over the primary family, whatever record is asked for."""
    names = [failed(CheckKind.DNS, Layer.DNS, family, "b") for family in (V4, V6)]
    dead_proxy = failed(CheckKind.CLUSTER_IP, Layer.SERVICE, V4, "b")
    assert [finding.layer for finding in found(dead_proxy, *names)] == [Layer.SERVICE]
    assert [finding.layer for finding in found(dead_proxy, *names, primary=V6)] == [Layer.SERVICE, Layer.DNS]


def test_a_node_that_cuts_packets_follows_from_a_path_that_is_too_small() -> None:
    """Alone it is the finding."""
    path, cut = failed(CheckKind.MTU, Layer.POD_NETWORK, V6, "a", "c"), failed(CheckKind.MTU, Layer.POD_NETWORK, V6, "c")
    assert [(finding.subject, finding.nodes, finding.follows) for finding in found(path, cut)] == [(CheckKind.MTU, ("a", "c"), 1)]
    assert found(cut)[0].nodes == ("c",)


def test_a_probe_that_did_not_start_explains_nothing() -> None:
    """It says nothing of the network, and hides no fault of it."""
    assert len(found(failed(CheckKind.PROBE, Layer.NODE, None, "c"), ping("a", "c"))) == 2


def test_deeper_layers_come_first() -> None:
    """The first finding is the one to mend first."""
    label = failed(CheckKind.NODE_LABELS, Layer.LABELS, None, "a")
    policy = failed(CheckKind.NETWORK_POLICY, Layer.NETWORK_POLICY, V4, "a", "b")
    assert [finding.layer for finding in found(policy, ping("b", "c"), label)] == [Layer.LABELS, Layer.POD_NETWORK, Layer.NETWORK_POLICY]


def test_every_layer_has_a_place_to_look_at() -> None:
    """And no network that is well has findings."""
    assert set(Layer) <= set(LOOK_AT)
    assert found() == ()
