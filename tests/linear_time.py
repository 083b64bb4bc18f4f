"""Measures whether the time of a function grows with its input, and not with the square of it."""

from __future__ import annotations

import time
from collections.abc import Callable

# a quadratic function takes 4 times as long for twice the input, and 16 times for 4 times the input
_TIMES_LONGER = 4
_MOST = 9.0
_NEGLIGIBLE = 0.05  # seconds


def assert_linear(function: Callable[[str], object], text: Callable[[int], str], length: int) -> None:
    """`function` of a text of 4 * `length` characters takes less than 9 times as long as of `length` characters, or almost no time."""
    longer = _seconds(function, text(_TIMES_LONGER * length))
    if longer > _NEGLIGIBLE:
        assert longer < _MOST * _seconds(function, text(length))


def _seconds(function: Callable[[str], object], text: str) -> float:
    """The best of three: other programs, and Python's garbage collector, make single runs slower."""
    return min(_once(function, text) for _ in range(3))


def _once(function: Callable[[str], object], text: str) -> float:
    start = time.thread_time()
    function(text)
    return time.thread_time() - start
