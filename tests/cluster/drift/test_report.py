"""The report of an inspection: JSON, table, page and summary."""

from __future__ import annotations

import json

from cluster.drift.difference import Difference, Repair
from cluster.drift.report import DriftReport, drift_page, for_cluster, repair_lines, report_rows
from cluster.vocabulary.problems import Problem

LABEL = Difference("hosts/b/labels/rack", "x", "nothing", "API", Repair.CREATE, "sixstack create CLUSTER", "label-node/b")
TAINT = Difference("hosts/b/taints/a|b:NoExecute", "nothing", "pre\x1bsent", "API", Repair.OWNER, "remove it")
UNREACHED = Problem("host-not-inspected", "hosts/c", "no route", "switch it on")


def test_a_report_without_differences_is_green() -> None:
    """And says so in every form."""
    report = DriftReport("demo")
    assert (report.complete, report.summary) == (True, "no drift")
    assert report_rows(report.as_dict()) == []
    assert drift_page(report) == "## 🟢 cluster demo: no drift"


def test_differences_are_listed_with_who_repairs_them() -> None:
    """A row each; a line for each command; no control characters, and no bar that would end a cell of the page."""
    report = DriftReport("demo", (LABEL, TAINT))
    document = report.as_dict()
    assert json.loads(json.dumps(document)) == document
    assert (document["drift"], document["complete"]) == (True, True)
    assert set(document["differences"][0]) == {"path", "expected", "actual", "where", "repair", "command", "step"}
    assert [row[0] for row in report_rows(document)] == ["PATH", "hosts/b/labels/rack", "hosts/b/taints/a|b:NoExecute"]
    assert repair_lines(document)[0] == "create: sixstack create CLUSTER (hosts/b/labels/rack)"
    assert "\x1b" not in json.dumps(document)
    page = drift_page(report)
    assert page.startswith("## 🔴")
    assert "a\\|b" in page


def test_commands_name_the_cluster_as_it_was_given() -> None:
    """A name in the page, which belongs to no command; a file may have blanks. Other words stay."""
    uncordon = Difference("hosts/b/schedulable", "yes", "no", "API", Repair.OWNER, "sixstack kubectl CLUSTER -- uncordon b: see CLUSTER")
    report = DriftReport("demo", (LABEL, uncordon))
    assert "sixstack create demo" in drift_page(report)
    lines = repair_lines(for_cluster(report.as_dict(), "my files/demo.yaml"))
    assert "sixstack create 'my files/demo.yaml' (" in lines[0]
    assert "sixstack kubectl 'my files/demo.yaml' -- uncordon b: see CLUSTER" in lines[1]
    assert report.as_dict()["differences"][0]["command"] == LABEL.command


def test_what_was_not_inspected_is_part_of_the_result() -> None:
    """Beside the differences of the rest; yellow without any."""
    report = DriftReport("demo", (LABEL,), (UNREACHED,))
    assert report.as_dict()["complete"] is False
    assert report.summary == "1 difference, not inspected: hosts/c"
    assert "no route" in drift_page(report)
    assert drift_page(DriftReport("demo", (), (UNREACHED,))).startswith("## 🟡")
