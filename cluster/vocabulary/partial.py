"""A spec that was read in part: stand-ins for values that could not be read, and the paths of fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeVar

from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import Unparsed


class Unread:
    """Stands where a value could not be read."""


UNREAD: Final = Unread()
Item = TypeVar("Item")


class PartialTuple(tuple[Any, ...]):
    """A list with items that could not be read; who comes to one is told so, as with a field that is absent."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            if isinstance(item, Unread):
                raise Unparsed
            yield item


def readable(items: tuple[Item, ...]) -> Iterator[tuple[int, Item]]:
    """Index and item of those that could be read."""
    for index, item in enumerate(tuple.__iter__(items)):
        if not isinstance(item, Unread):
            yield index, item


def join_path(path: str, name: str) -> str:
    """The path of a field of what lies at `path`; a name with odd characters stands in brackets and quotes."""
    if not all(c.isalnum() or c in "_-" for c in name) or not 0 < len(name) <= 64:
        return f"{path}[{quoted(name)}]"
    return f"{path}.{name}" if path else name
