"""Words as a shell reads them, in bounded time: shlex copies a word for each of its characters, so 1 MB of one word takes 10 s."""

from __future__ import annotations

import shlex

LONGEST_LINE = 20_000


def shell_words(line: str, *, comments: bool = False) -> list[str]:
    """The words of a line. ValueError for a quote that is not closed, and for a line that is too long."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"a line has {len(line):,} characters")
    return shlex.split(line, comments=comments)
