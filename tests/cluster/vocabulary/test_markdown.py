"""Text of hosts and files inside Markdown stays text."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cluster.vocabulary.markdown import escape, table


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow, not wrong
@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=4))
def test_any_text_stays_inside_its_cell(rows: list[list[str]]) -> None:
    """A Markdown parser finds the cells that were written, and nothing but text in them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(table(("a", "b", "c"), [[escape(cell) for cell in row] for row in rows]))
    cells = [after for token, after in pairwise(tokens) if token.type == "td_open"]
    assert len(cells) == 3 * len(rows)
    assert {child.type for cell in cells for child in cell.children or ()} <= {"text", "text_special"}


def test_control_characters_and_markup_are_not_in_the_page() -> None:
    """Neither those that move a terminal's cursor nor tags."""
    assert escape("\x1b[31m<b>&amp;\u202e") == "\N{REPLACEMENT CHARACTER}\\[31m&lt;b>&amp;amp;\N{REPLACEMENT CHARACTER}"
