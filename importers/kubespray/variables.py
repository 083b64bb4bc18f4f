"""Typed access to the variables of one host, with a report of each variable that was looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from importers.kubespray.inventory import VAULT, Variable
from importers.report import Report

_FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class Variables:
    """The variables of a host after precedence."""

    def __init__(self, found: Mapping[str, Variable], report: Report) -> None:
        self.found = found
        self.report = report

    def path(self, *names: str) -> str:
        """The place of the first of these variables that is set; "" without one."""
        return next((self.found[name].path for name in names if name in self.found), "")

    def value(self, *names: str) -> object:
        """The value of the first of these variables that is set and plain: not null, not encrypted, and without Jinja."""
        for name in names:
            if name in self.found and (value := self.found[name].value) not in (None, ""):
                if not (why := not_plain(value)):
                    return value
                self.not_taken(self.found[name].path, why)
        return None

    def text(self, *names: str) -> str:
        """A string or number as text; "" if absent."""
        value = self.value(*names)
        if isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
            return str(value)
        if value is not None:
            self._wrong("a string", *names)
        return ""

    def flag(self, *names: str) -> bool | None:
        """true or false, also as Ansible's yes and no."""
        value = self.value(*names)
        if value is None or isinstance(value, bool):
            return value
        flag = _FLAGS.get(str(value).lower())
        if flag is None:
            self._wrong("true or false", *names)
        return flag

    def number(self, *names: str) -> int | None:
        """A whole number, also as text."""
        value = self.value(*names)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            return int(value)
        self._wrong("a whole number", *names)
        return None

    def texts(self, *names: str) -> Iterator[str]:
        """The strings of a list."""
        value = self.value(*names)
        if isinstance(value, list):
            yield from (str(item) for item in value if isinstance(item, str | int | float))
        elif value is not None:
            self._wrong("a list", *names)

    def taken(self, to: str, *names: str) -> None:
        """The first of these variables that is set went to a field."""
        if (path := self.path(*names)) and not self.report.is_reported(path):
            self.report.taken(path, to)
        if path:
            self.report.set_origin(to, path)

    def changed(self, to: str, why: str, *names: str) -> None:
        """The variable was taken over with another value."""
        if (path := self.path(*names)) and not self.report.is_reported(path):
            self.report.changed(path, to, why)

    def not_taken(self, path: str, why: str) -> None:
        """The variable has no effect."""
        if not self.report.is_reported(path):
            self.report.not_taken(path, why)

    def _wrong(self, words: str, *names: str) -> None:
        path = self.path(*names)
        if not self.report.is_reported(path):
            self.report.fault("wrong-type", path, f"expected {words}", f"Write {words}.")


def not_plain(value: object) -> str:
    """Why a value cannot be used as it is; "" when it can."""
    if isinstance(value, str) and value.lstrip().startswith(VAULT):
        return "the value is encrypted with ansible-vault, and is not decrypted"
    if _has_jinja(value):
        return "the value is a Jinja expression, which is not evaluated: write its result"
    return ""


def _has_jinja(value: object) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(_has_jinja(item) for item in (*value.keys(), *value.values()))
    return isinstance(value, list) and any(_has_jinja(item) for item in value)
