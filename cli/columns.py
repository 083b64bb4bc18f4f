"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of equal length in columns. Control characters, which hosts may have written, are replaced."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def printable(text: str) -> str:
    """The text without characters that move the cursor, change colours, or cannot be encoded."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
