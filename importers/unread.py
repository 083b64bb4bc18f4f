"""Finds the fields of a document that no reader has reported."""

from __future__ import annotations

from collections.abc import Callable

from cluster.vocabulary.partial import UNREAD
from importers.fields import child_path
from importers.report import Report


def report_unread(value: object, path: str, report: Report, why: Callable[[str], str], generic: str = "") -> None:
    """Report every field without an outcome as not taken over; `why` gets its path without indices. A mapping of which nothing was read is one field."""
    if value is UNREAD or report.is_reported(path):
        return
    below = children(value, path, generic)
    if below and (not generic or any(any_reported(item, at, report) for item, at, _ in below)):
        for item, at, name in below:
            report_unread(item, at, report, why, name)
    elif generic and value in (None, "", [], {}):
        report.taken(path, "nothing: the value is empty")
    elif generic:
        report.not_taken(path, why(generic))


def any_reported(value: object, path: str, report: Report) -> bool:
    """Whether the field, or one inside of it, has an outcome."""
    return report.is_reported(path) or any(any_reported(item, at, report) for item, at, _ in children(value, path, ""))


def children(value: object, path: str, generic: str = "") -> list[tuple[object, str, str]]:
    """Each field or item: its value, its path, and its path without indices."""
    if isinstance(value, dict):
        return [(item, child_path(path, name), f"{generic}.{name}".lstrip(".")) for name, item in value.items()]
    if isinstance(value, list):
        return [(item, f"{path}[{index}]", generic) for index, item in enumerate(value)]
    return []
