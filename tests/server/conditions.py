"""Conditions that servers, workers and hosts fulfil after a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def wait(condition: Callable[[], Any], limit: float) -> Any:
    """What the condition returns, once it is true."""
    deadline = time.monotonic() + limit
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {limit} s"
        time.sleep(0.5)
    return found
