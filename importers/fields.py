"""Typed access to the fields of a document. A value of another type is an error, an unreadable value is absent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from cluster.vocabulary.partial import UNREAD, join_path
from cluster.vocabulary.quoting import quoted
from importers.report import Report

Kind = TypeVar("Kind")


class Fields:
    """A mapping of a document and its path. null counts as absent, as in Kubernetes."""

    def __init__(self, data: Mapping[str, object], path: str, report: Report) -> None:
        self.data = data
        self.path = path
        self.report = report

    def at(self, name: str) -> str:
        """The path of a field."""
        return child_path(self.path, name)

    def value(self, name: str) -> object:
        """The value; None if it is absent or unreadable."""
        found = self.data.get(name)
        return None if found is UNREAD else found

    def text(self, name: str) -> str:
        """A string; "" if absent."""
        return self._typed(name, str, "a string") or ""

    def flag(self, name: str) -> bool | None:
        """true or false."""
        return self._typed(name, bool, "true or false")

    def number(self, name: str, low: int, high: int) -> int | None:
        """A whole number from low to high."""
        found = self._typed(name, int, "a whole number")
        if found is None or low <= found <= high:
            return found
        self.report.fault(
            "out-of-range", self.at(name), f"{quoted(found)} is not between {low} and {high}", f"Write a number from {low} to {high}."
        )
        return None

    def section(self, name: str) -> Fields:
        """The fields of a mapping; empty if absent."""
        found: dict[str, object] | None = self._typed(name, dict, "a mapping")
        return Fields(found or {}, self.at(name), self.report)

    def sections(self, name: str) -> Iterator[Fields]:
        """The mappings of a list."""
        for path, item in self._items(name):
            if isinstance(item, dict):
                yield Fields(item, path, self.report)
            else:
                self._wrong(path, item, "a mapping")

    def texts(self, name: str) -> Iterator[tuple[str, str]]:
        """Path and string of each item of a list."""
        for path, item in self._items(name):
            if isinstance(item, str):
                yield path, item
            else:
                self._wrong(path, item, "a string")

    def pairs(self, name: str) -> Iterator[tuple[str, str, str]]:
        """Path, key and string of each entry of a mapping."""
        inner = self.section(name)
        for key in inner.data:
            if (text := inner._typed(key, str, 'a string in quotes ("...")')) is not None:
                yield inner.at(key), key, text

    def _items(self, name: str) -> Iterator[tuple[str, object]]:
        found: list[object] = self._typed(name, list, "a list") or []
        for index, item in enumerate(found):
            if item is not UNREAD:
                yield f"{self.at(name)}[{index}]", item

    def _typed(self, name: str, kind: type[Kind], words: str) -> Kind | None:
        found = self.value(name)
        if found is None:
            return None
        # in Python, True is an int
        if isinstance(found, kind) and not (isinstance(found, bool) and kind is not bool):
            return found
        self._wrong(self.at(name), found, words)
        return None

    def _wrong(self, path: str, value: object, words: str) -> None:
        self.report.fault("wrong-type", path, f"expected {words}, got {_kind(value)}", f"Write {words}.")


def child_path(path: str, name: str) -> str:
    """The path of a field below `path`. The path of a file ends with a colon and a space."""
    return path + join_path("", name) if path.endswith(": ") else join_path(path, name)


def _kind(value: object) -> str:
    """The type of a value, without the value: it may be a password in the wrong place."""
    words = {bool: "true or false", int: "a number", float: "a decimal number", str: "a string", dict: "a mapping", list: "a list"}
    return words.get(type(value), "another type")
