"""Remove secrets from exceptions: Prefect writes their text, their causes and their contexts into states and logs."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any

from cluster.vocabulary.redaction import HIDDEN, redact


class RedactedError(Exception):
    """Stands for an exception of a library whose text has a secret and cannot be changed."""


def redacted_error(error: BaseException, secrets: Collection[str] = ()) -> BaseException:
    """`error` without secrets, with its causes, contexts and members. It is changed in place, or a RedactedError when that is impossible."""
    return _Errors(secrets).redacted(error)


class _Errors:
    """The exceptions of one chain, each redacted once: a chain may contain itself."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = secrets
        self._done: dict[int, BaseException] = {}

    def redacted(self, error: BaseException) -> BaseException:
        """This exception and all that it refers to."""
        if id(error) in self._done:
            return self._done[id(error)]
        self._done[id(error)] = error
        shown = self._done[id(error)] = self._in_place(error)
        # __cause__ sets __suppress_context__
        suppressed = error.__suppress_context__
        cause, context = error.__cause__, error.__context__
        shown.__cause__ = self.redacted(cause) if cause is not None else None
        shown.__context__ = self.redacted(context) if context is not None else None
        shown.__suppress_context__ = suppressed
        return shown

    def _in_place(self, error: BaseException) -> BaseException:
        """The exception itself if its text has no secret any more."""
        before = _text(error)
        error.args = tuple(self._value(argument) for argument in error.args)
        for name, value in list(vars(error).items()):
            cleaned = self._value(value)
            if cleaned is not value:
                with suppress(AttributeError, TypeError):  # read-only: the text is compared below
                    setattr(error, name, cleaned)
        members = isinstance(error, BaseExceptionGroup) and any(self.redacted(member) is not member for member in error.exceptions)
        after = _text(error)
        if not members and after == redact(after, self._secrets):
            return error
        return RedactedError(f"{type(error).__qualname__}: {redact(before, self._secrets)}").with_traceback(error.__traceback__)

    def _value(self, value: Any) -> Any:
        """An argument or attribute without secrets; None for an object of a library with a secret in its text."""
        if isinstance(value, str):
            cleaned = redact(value, self._secrets)
            return value if cleaned == value else cleaned
        if isinstance(value, bytes | bytearray):
            return value if self._harmless(value.decode(errors="replace")) else HIDDEN.encode()
        if type(value) in (list, tuple, set, frozenset):
            return value if self._harmless(repr(value)) else type(value)(self._value(item) for item in value)
        if isinstance(value, BaseException):
            return self.redacted(value)
        if is_dataclass(value) and not isinstance(value, type) and not self._harmless(repr(value)):
            return replace(value, **{field.name: self._value(getattr(value, field.name)) for field in fields(value) if field.init})
        return value if self._harmless(_text(value)) else None

    def _harmless(self, text: str) -> bool:
        return redact(text, self._secrets) == text


def _text(value: object) -> str:
    """str(), also of an exception of a library that cannot write its own text."""
    try:
        return str(value)
    except Exception:
        return f"an object of type {type(value).__name__}"
