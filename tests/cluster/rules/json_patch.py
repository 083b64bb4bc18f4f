"""Applies the fix of a problem to a document, as RFC 6902 says."""

from __future__ import annotations

import copy
from typing import Any


def patched(document: Any, patch: list[dict[str, Any]]) -> Any:
    """A copy of the document with the operations of the patch."""
    result = copy.deepcopy(document)
    for operation in patch:
        if operation["op"] == "move":
            _set(result, operation["path"], _taken(result, operation["from"]))
        elif operation["op"] == "remove":
            _taken(result, operation["path"])
        else:
            holder, last = _place(result, operation["path"])
            if operation["op"] == "replace":
                holder[last]
            _set(result, operation["path"], operation["value"])
    return result


def _place(document: Any, pointer: str) -> tuple[Any, Any]:
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    holder = document
    for part in parents:
        holder = holder[int(part) if isinstance(holder, list) else part]
    return holder, int(last) if isinstance(holder, list) else last


def _set(document: Any, pointer: str, value: Any) -> None:
    holder, last = _place(document, pointer)
    holder[last] = value


def _taken(document: Any, pointer: str) -> Any:
    holder, last = _place(document, pointer)
    return holder.pop(last)
