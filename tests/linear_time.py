"""Measures whether the time of a function grows with its input, and not with the square of it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

# a quadratic function takes 4 times as long for twice the input, and 16 times for 4 times the input
_TIMES_LONGER = 4
_MOST = 9.0
_NEGLIGIBLE = 0.05  # seconds
_FEWEST, _ROUNDS = 3, 10


def assert_linear(function: Callable[[str], object], text: Callable[[int], str], length: int) -> None:
    """`function` of a text of 4 * `length` characters takes less than 9 times as long as of `length` characters, or almost no time.

    Other programs on a processor make single runs slower, which says nothing about the function: both lengths are measured in turns, and the best
    run of each counts. A function whose time grows with the square needs 16 times as long in every round.
    """
    shorter = longer = float("inf")
    for done in range(1, _ROUNDS + 1):
        longer = min(longer, _once(function, text(_TIMES_LONGER * length)))
        if longer <= _NEGLIGIBLE:
            return
        shorter = min(shorter, _once(function, text(length)))
        if done >= _FEWEST and longer < _MOST * shorter:  # one slow run of the shorter text proves nothing
            return
    pytest.fail(f"{longer:.3f} s for a text that is {_TIMES_LONGER} times as long as one that takes {shorter:.3f} s")


def _once(function: Callable[[str], object], text: str) -> float:
    gc.disable()  # a collection goes through all objects of the tests
    try:
        start = time.thread_time()
        function(text)
        return time.thread_time() - start
    finally:
        gc.enable()
