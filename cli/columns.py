"""Tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.vocabulary.control_characters import printable


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of equal length in columns. Control characters, which hosts may have written, are replaced."""
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
