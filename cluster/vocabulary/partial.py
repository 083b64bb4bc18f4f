"""Partly read specs: placeholders for values that could not be read, and the paths of fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import Unparsed


class Unread:
    """Placeholder for a value that could not be read."""


UNREAD: Final = Unread()
Item = TypeVar("Item")


class PartialTuple(tuple[Any, ...]):
    """A list with items that could not be read. Iterating over such an item raises Unparsed, like an absent field."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            if isinstance(item, Unread):
                raise Unparsed
            yield item


def readable(items: tuple[Item, ...]) -> Iterator[tuple[int, Item]]:
    """Index and item of all items that could be read."""
    for index, item in enumerate(tuple.__iter__(items)):
        if not isinstance(item, Unread):
            yield index, item


def join_path(path: str, name: str) -> str:
    """The path of field `name` below `path`. A name with special characters is quoted in brackets."""
    if not all(c.isalnum() or c in "_-" for c in name) or not 0 < len(name) <= 64:
        return f"{path}[{quoted(name)}]"
    return f"{path}.{name}" if path else name
