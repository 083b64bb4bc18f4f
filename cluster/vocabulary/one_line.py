"""Errors of several lines in one line."""

from __future__ import annotations


def in_one_line(error: str) -> str:
    """An error for a row of a table and for a notification: its first line, and the first reason of the list below it."""
    first, *rest = error.strip().splitlines() or [""]
    if first.startswith("Traceback ") and rest:
        return rest[-1]
    reason = next((line[2:] for line in rest if line.startswith("- ") and not line.endswith(": joined")), "")
    return f"{first.removesuffix(':')}: {reason}" if reason else first
