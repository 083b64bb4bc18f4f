"""What a network check found, as a verdict, a table and JSON."""

from __future__ import annotations

import json

from cluster.families import Family
from cluster.network_report import Check, CheckKind, Layer, NetworkReport

BOTH = (Family.IPV4, Family.IPV6)


def check(family: Family, ok: bool, layer: Layer = Layer.POD_NETWORK, kind: CheckKind = CheckKind.PING) -> Check:
    """One result."""
    return Check(kind, family, "pod on a", "pod on b fd44::2", layer, ok, "" if ok else "no answer")


def report(*checks: Check) -> NetworkReport:
    """A report of two nodes."""
    return NetworkReport(BOTH, ("a", "b"), checks, 4.26)


def test_a_good_network_is_said_in_one_sentence() -> None:
    """With how much was checked, between what, over what."""
    good = report(check(Family.IPV4, True), check(Family.IPV6, True))
    assert good.ok
    assert good.verdict == "The network works: 2 checks passed between 2 nodes over IPv4 and IPv6."


def test_a_broken_path_is_named_with_its_layer_and_where_to_look() -> None:
    """Which pair, which family, which layer, what to look at."""
    bad = report(check(Family.IPV4, True), check(Family.IPV6, False))
    assert not bad.ok
    assert "broken at pod network: 1 of 2 checks failed" in bad.verdict
    assert "ping from pod on a to pod on b fd44::2 over IPv6: no answer" in bad.verdict
    assert "Look at the CNI plug-in" in bad.verdict


def test_a_check_that_checked_nothing_is_not_good() -> None:
    """No result is no proof."""
    assert not report().ok
    assert "was not checked" in report().verdict


def test_what_concerns_one_node_alone_has_no_target() -> None:
    """The addresses of a node, a probe that did not start."""
    alone = Check(CheckKind.NODE_ADDRESSES, None, "node a", "", Layer.NODE, False, "the node has not joined the cluster")
    assert str(alone) == "node: node addresses of node a: the node has not joined the cluster"


def test_the_table_has_a_row_per_kind_layer_and_family() -> None:
    """And shows the first failure of each."""
    rows = report(check(Family.IPV4, True), check(Family.IPV6, True), check(Family.IPV6, False)).table_rows()
    assert [(row["family"], row["result"], row["passed"]) for row in rows] == [("IPv4", "ok", "1 of 1"), ("IPv6", "FAILED", "1 of 2")]
    assert rows[1]["first failure"] == "from pod on a to pod on b fd44::2: no answer"


def test_the_json_form_holds_every_result() -> None:
    """It is the record's, so it must be plain."""
    document = json.loads(json.dumps(report(check(Family.IPV6, False)).as_dict()))
    assert document["checks"] == [
        {
            "kind": "ping",
            "family": "ipv6",
            "source": "pod on a",
            "target": "pod on b fd44::2",
            "layer": "pod-network",
            "ok": False,
            "detail": "no answer",
        }
    ]
    assert (document["ok"], document["seconds"], document["families"]) == (False, 4.3, ["ipv4", "ipv6"])
