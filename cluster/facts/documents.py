"""Compares documents of the Kubernetes API field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cluster.vocabulary.quoting import quoted

ABSENT = "nothing"
_LONGEST = 100  # characters of a value that are shown in full


def differing_fields(expected: Any, actual: Any, at: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, expected and actual value of each field that differs. Objects of a list are matched by their name, other lists are one value."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted({*expected, *actual}, key=str):
            yield from differing_fields(expected.get(key), actual.get(key), f"{at}.{key}" if at else str(key))
    elif (expected_items := _by_name(expected)) is not None and (actual_items := _by_name(actual)) is not None:
        for name in [*expected_items, *(name for name in actual_items if name not in expected_items)]:
            yield from differing_fields(expected_items.get(name), actual_items.get(name), f"{at}[{name}]")
    elif expected != actual:
        yield at, shown(expected), shown(actual)


def shown(value: Any) -> str:
    """A value of a document on one line, shortened."""
    if value is None:
        return ABSENT
    text = value if isinstance(value, str) else json.dumps(value, default=str, skipkeys=True)  # YAML has dates, also as keys
    return text if text.isprintable() and 0 < len(text) <= _LONGEST else quoted(text)


def _by_name(value: Any) -> dict[str, Any] | None:
    """The objects of a list by their names; None for any other value."""
    if not isinstance(value, list) or not all(isinstance(item, dict) and isinstance(item.get("name"), str) for item in value):
        return None
    named = {item["name"]: item for item in value}
    return named if len(named) == len(value) and value else None
