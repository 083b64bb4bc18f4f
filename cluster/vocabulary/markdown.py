"""Text inside Markdown: hosts, the API server and cluster files wrote some of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

# punctuation that Markdown gives a meaning inside a line (https://spec.commonmark.org/0.31.2/#backslash-escapes)
_MARKUP = frozenset("\\`*_[]!|~")
_REFERENCES = {"<": "&lt;", "&": "&amp;"}


def escape(text: str) -> str:
    """Text that stays on one line and inside one table cell, and contains no markup and no control characters.

    Write a word before it where a line or a list item begins: there, `#` and `1.` are markup too.
    """
    return "".join(_escape_letter(letter) for letter in " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, from cells that are Markdown."""
    return "\n".join([table_row(*header), table_rule(len(header)), *(table_row(*cells) for cells in rows)])


def table_row(*cells: str) -> str:
    """A row of a table, from cells that are Markdown."""
    return f"| {' | '.join(cells)} |"


def table_rule(columns: int) -> str:
    """The line below the header of a table."""
    return table_row(*["---"] * columns)


def _escape_letter(letter: str) -> str:
    if letter in _MARKUP:
        return f"\\{letter}"
    return _REFERENCES.get(letter, letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}")
