"""The report of a network check: verdict, table, JSON and Markdown."""

from __future__ import annotations

import json

from cluster.network.checks import Check, CheckKind, Layer
from cluster.network.matrix import MOST_FAILURES, markdown
from cluster.network.report import NetworkReport
from cluster.vocabulary.families import Family

BOTH = (Family.IPV4, Family.IPV6)


def check(family: Family, ok: bool, source: str = "a", target: str = "b", kind: CheckKind = CheckKind.PING, detail: str = "") -> Check:
    """One result between pods of two nodes."""
    text = detail if ok else detail or "no answer"
    return Check(kind, family, f"pod on {source}", f"pod on {target} fd44::2", Layer.POD_NETWORK, ok, text, source, target)


def report(*checks: Check, notes: tuple[str, ...] = ()) -> NetworkReport:
    """A report of two nodes."""
    return NetworkReport(BOTH, ("a", "b"), checks, 4.26, notes)


def plain(found: NetworkReport) -> str:
    """The page with ordinary spaces."""
    return markdown(found, "demo").replace("\N{NO-BREAK SPACE}", " ")


GOOD = report(check(Family.IPV4, True), check(Family.IPV6, True))
BAD = report(check(Family.IPV4, True), check(Family.IPV6, False), check(Family.IPV6, True, kind=CheckKind.HTTP))


def test_the_verdict_of_a_working_network() -> None:
    """With the number of checks, the nodes and the families."""
    assert GOOD.ok
    assert GOOD.verdict == "The network works: 2 checks passed between 2 nodes over IPv4 and IPv6."


def test_a_broken_path_is_reported_with_layer_and_advice() -> None:
    """With the pair, the family, the layer and the advice."""
    assert not BAD.ok
    assert BAD.verdict.startswith(
        "The network of 2 nodes over IPv4 and IPv6 is broken at pod network over IPv6 at a and b: 1 check failed; "
    )
    assert "first: ping from pod on a to pod on b fd44::2: no answer. Look at the CNI plug-in" in BAD.verdict


def test_a_report_without_checks_is_not_ok() -> None:
    """Without results the network is not verified."""
    assert not report().ok
    assert "was not checked" in report().verdict


def test_checks_of_one_node_have_no_target() -> None:
    """The addresses of a node, a probe that did not start."""
    alone = Check(CheckKind.NODE_ADDRESSES, None, "node a", "", Layer.NODE, False, "the node has not joined the cluster")
    assert str(alone) == "node: node addresses of node a: the node has not joined the cluster"


def test_the_table_has_a_row_per_kind_layer_and_family() -> None:
    """And shows the first failure of each."""
    rows = report(check(Family.IPV4, True), check(Family.IPV6, True), check(Family.IPV6, False)).table_rows()
    assert [(row["family"], row["result"], row["passed"]) for row in rows] == [("IPv4", "ok", "1 of 1"), ("IPv6", "FAILED", "1 of 2")]
    assert rows[1]["first failure"] == "from pod on a to pod on b fd44::2: no answer"


def test_the_json_form_holds_every_result_and_finding() -> None:
    """The audit record contains it, so it has only plain types."""
    document = json.loads(json.dumps(BAD.as_dict()))
    assert document["checks"][1] == {
        "kind": "ping",
        "family": "ipv6",
        "source": "pod on a",
        "target": "pod on b fd44::2",
        "layer": "pod-network",
        "ok": False,
        "detail": "no answer",
        "source_node": "a",
        "target_node": "b",
    }
    assert (document["ok"], document["seconds"], document["families"]) == (False, 4.3, ["ipv4", "ipv6"])
    (finding,) = document["findings"]
    assert (finding["layer"], finding["families"], finding["nodes"], finding["failed"]) == ("pod-network", ["ipv6"], ["a", "b"], 1)


def test_the_page_has_a_matrix_for_each_family() -> None:
    """Sources and targets, in colours and in words."""
    page = plain(BAD).splitlines()
    assert page[0] == "## 🔴 Network of cluster demo"
    assert "| **a** | ⚪ not tried | 🟢 1 ok |" in page
    assert "| **a** | ⚪ not tried | 🔴 1 of 2: pod network: ping |" in page
    assert "### Failed checks (1)" in page
    assert markdown(GOOD, "demo").startswith("## 🟢 Network of cluster demo")
    assert "Failed checks" not in markdown(GOOD, "demo")


def test_the_page_shows_what_was_measured_and_noted() -> None:
    """The largest packet at each node, and the notes."""
    page = plain(report(check(Family.IPV4, True, kind=CheckKind.MTU, detail="1450 bytes"), notes=("not tried",)))
    assert "| **a** | IPv4 | 🟢 1450 bytes |" in page
    assert "- not tried" in page


def test_cells_cannot_break_the_table() -> None:
    """Bars in output are escaped, line breaks removed, and long lists truncated."""
    page = markdown(report(*[check(Family.IPV4, False, detail="one | two\nthree")] * (MOST_FAILURES + 5)), "demo")
    assert "one \\| two three" in page
    assert "... and 5 more" in page
