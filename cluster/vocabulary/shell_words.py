"""Words as a shell reads them, in bounded time: shlex copies a word for each of its characters, so 1 MB of one word takes 10 s."""

from __future__ import annotations

import shlex

LONGEST_LINE = 20_000


class LineTooLong(ValueError):
    """It is not read."""


def shell_words(line: str, *, comments: bool = False) -> list[str]:
    """The words of a line. LineTooLong, and another ValueError for a quote that is not closed."""
    if len(line) > LONGEST_LINE:
        raise LineTooLong(f"the line has {len(line):,} characters")
    return shlex.split(line, comments=comments)
