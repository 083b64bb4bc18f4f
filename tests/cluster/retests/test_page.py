"""The history of retests as a page of the Prefect UI."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cluster.retests.history import read_history
from cluster.retests.page import NIGHTS, history_page
from cluster.retests.records import RetestRecord, RetestResult, RetestStart
from tests.cluster.retests.records_of_nights import CLUSTERS, documents, night_start, retest

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def page(*records: RetestStart | RetestRecord) -> str:
    """The page of these records."""
    return history_page(read_history(documents(*records)))


def table_of(text: str) -> list[list[str]]:
    """The cells of the page's table as a Markdown parser finds them, without the header."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    rows: list[list[str]] = []
    for token, after in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "td_open":
            rows[-1].append("".join(child.content for child in after.children or ()))
    return rows[1:]


def charts_of(text: str) -> list[list[int]]:
    """The points of each chart."""
    return [[int(point) for point in points.split(", ")] for points in re.findall(r"(?m)^ +line \[(.*)\]$", text)]


def test_the_table_has_the_last_nights_newest_first() -> None:
    """One row for each cluster; older nights are in the store."""
    rows = table_of(page(*(retest(night, cluster) for night in range(NIGHTS + 5) for cluster in ("v4", "v6"))))
    assert len(rows) == 2 * NIGHTS
    assert [row[:2] for row in rows[:3]] == [["2026-02-04 02:01", "v4"], ["2026-02-04 02:31", "v6"], ["2026-02-03 02:01", "v4"]]


def test_a_row_shows_durations_result_and_first_failing_step() -> None:
    """A cluster that was not finished has no durations."""
    failed, *unfinished = table_of(page(night_start(0, {"v4": "ipv4", "v6": "ipv6"}), retest(0, result=RetestResult.FAILED)))[::-1]
    assert failed[1:5] == ["v4", "ipv4", "🔴 failed", "100"]
    assert failed[9] == "verify-network/cluster"
    assert [row[1:9] for row in unfinished] == [["v6", "ipv6", "🔴 not-finished", "-", "-", "-", "-", "-"]]


def test_runs_are_links_that_stay_in_the_ui() -> None:
    """The run of the night, and that of each phase."""
    text = page(retest(0))
    for run in ("run-0", "free-hosts-0", "create-0", "verify-0", "delete-0"):
        assert f"](../../runs/flow-run/{run})" in text
    assert table_of(text)[0][6] == "25"


def test_the_state_of_each_cluster_names_its_last_good_run_and_the_changes() -> None:
    """Of a cluster that failed; one that passed has no changes."""
    text = page(retest(0), retest(1, result=RetestResult.FAILED, versions={"kubernetes": "1.37.0"}), retest(0, "v6"), retest(1, "v6"))
    v4, v6 = re.findall(r"(?ms)^## \S+ v\d\n(.*?)(?=^## )", text)
    assert "last good run 2026-01-01" in v4
    assert "kubernetes: 1.36.3 -> 1.37.0" in v4
    assert "last good run 2026-01-02" in v6
    assert "->" not in re.sub(r"-->", "", v6)


def test_a_cluster_whose_file_has_problems_has_no_stack_mode() -> None:
    """Its stack mode is not known."""
    assert "\nStack mode unknown: refused on " in page(retest(0, result=RetestResult.REFUSED, stack=""))


def test_a_chart_has_the_durations_of_passed_retests() -> None:
    """Nights without a duration have no point, and a failed retest that ended early is no fast one."""
    text = page(retest(0), night_start(1), retest(2, result=RetestResult.FAILED), retest(3), retest(4))
    assert charts_of(text) == [[100, 100, 100]]


def test_a_cluster_with_one_duration_has_no_chart() -> None:
    """A line needs two points."""
    assert charts_of(page(night_start(0), retest(0))) == []


def test_a_cluster_that_is_no_longer_retested_is_not_on_the_page() -> None:
    """After the last nights, neither its state nor a chart."""
    text = page(retest(0, "v6"), *(retest(night) for night in range(1, NIGHTS + 1)))
    assert "v6" not in text


def test_the_page_of_an_empty_history() -> None:
    """And of one with unreadable records only."""
    assert table_of(history_page(read_history([]))) == []
    assert "1 records" in history_page(read_history([None]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow, not wrong
@example(cluster="# 0", step="# 0", error="1. 0", run="# 0", stack="# 0")
@given(cluster=ANY_TEXT, step=ANY_TEXT, error=ANY_TEXT, run=ANY_TEXT, stack=ANY_TEXT)
def test_any_text_stays_inside_its_cell(**texts: str) -> None:
    """Every row has the same number of cells, in a page whose only headings and code blocks are its own."""
    cluster = texts.pop("cluster")
    changes: dict[str, Any] = {"failed_step": texts["step"], "error": texts["error"], "flow_run": texts["run"], "stack": texts["stack"]}
    file = {texts["step"]: texts["error"]}
    failed = retest(1, cluster, RetestResult.FAILED, **changes, file=file, versions={texts["run"]: texts["stack"]})
    text = page(*(retest(0, cluster), retest(1, "v4"), failed))
    assert {len(row) for row in table_of(text)} == {11}
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    assert all("script" not in token.type and token.type not in {"html_block", "code_block"} for token in tokens)
    assert sum(token.type == "heading_open" for token in tokens) == 2 + len({cluster, "v4"})


def test_every_stack_mode_has_a_chart() -> None:
    """Each cluster its own: a chart of Mermaid has no legend."""
    assert len(charts_of(page(*(retest(night, cluster) for night in range(3) for cluster in CLUSTERS)))) == len(CLUSTERS)
