"""Split the output of the facts script into sections, and `word rest` lines into pairs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

_MOST_DIGITS = 20  # of 2^64
_MARKER_LINE = re.compile(r"^@@ sixstack (.*)\n?", re.MULTILINE)
MARKER = "@@ sixstack "


def sections_of(text: str) -> dict[str, str]:
    """Section name -> text, in the order of the script. Text before the first marker (a login banner) is dropped."""
    sections: dict[str, list[str]] = {}
    current, begin = list[str](), 0
    # not line by line: as objects, millions of short lines need fifty times their size
    for mark in _MARKER_LINE.finditer(text):
        current.append(text[begin : mark.start()])
        current, begin = sections.setdefault(mark[1].strip(), []), mark.end()
    current.append(text[begin:])
    return {name: "".join(parts).replace("\r\n", "\n").strip("\n") for name, parts in sections.items()}


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The first word and the rest of each non-empty line."""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word, rest.strip()


def values(text: str, word: str) -> tuple[str, ...]:
    """The rest of each line that begins with `word`, if not empty."""
    return tuple(rest for first, rest in pairs(text) if first == word and rest)


def value(text: str, word: str) -> str | None:
    """The rest of the first line that begins with `word` and is not empty, or None."""
    return next(iter(values(text, word)), None)


def number(text: str, word: str) -> int:
    """The number after `word`. ValueError when there is none."""
    digits = value(text, word)
    if digits is None or not digits.isdecimal():
        raise ValueError(f"{word} is {digits!r}, not a number")
    return whole_number(digits)


def whole_number(digits: str, base: int = 10) -> int:
    """A number of a host. ValueError for one that no kernel has: rules calculate with it, and Python does not print the largest ones."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits, base)


def read_json(text: str) -> Any:
    """JSON of a host. ValueError for a number that no kernel has; RecursionError for deeply nested lists."""
    return json.loads(text, parse_int=whole_number, parse_float=_number_with_fraction, parse_constant=_number_with_fraction)


def _number_with_fraction(text: str) -> float:
    found = float(text)
    if not abs(found) < 10**_MOST_DIGITS:  # also for NaN
        raise ValueError(f"a number of the size {found}")
    return found
