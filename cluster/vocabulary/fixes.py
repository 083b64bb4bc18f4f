"""Changes of a document that remove a problem: operations of JSON Patch (RFC 6902), which programs can apply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_PART = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class Change:
    """One operation: `remove`; `add`, which replaces the value of an existing field; `replace`; or `move` from another path."""

    op: str
    path: str  # JSON Pointer (RFC 6901)
    value: Any = None
    origin: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The operation in RFC 6902's form."""
        found: dict[str, Any] = {"op": self.op, "path": self.path}
        if self.op == "move":
            return {**found, "from": self.origin}
        return found if self.op == "remove" else {**found, "value": self.value}


Fix = tuple[Change, ...]


def pointer(path: str, *names: str) -> str:
    """The JSON Pointer of a field's path such as `hosts[0].ssh`, and of names of any characters below it."""
    escaped = (name.replace("~", "~0").replace("/", "~1") for name in names)
    return "".join(f"/{part}" for part in (*_PART.findall(path), *escaped))


def remove(path: str, *names: str) -> Fix:
    """Remove the field or item."""
    return (Change("remove", pointer(path, *names)),) if _is_exact(path) else ()


def replace_by(value: Any, path: str, *names: str) -> Fix:
    """Give an existing field or item another value."""
    return (Change("replace", pointer(path, *names), value),) if _is_exact(path) else ()


def add(value: Any, path: str) -> Fix:
    """Set a field, whether it exists or not. Its mapping must exist."""
    return (Change("add", pointer(path), value),)


def rename(new: str, path: str, old: str) -> Fix:
    """Give a field another name."""
    return (Change("move", pointer(path, new), origin=pointer(path, old)),) if _is_exact(path) else ()


def _is_exact(path: str) -> bool:
    """Whether the path has only plain names. A name in quotes may be shortened, and then addresses nothing."""
    return '"' not in path
