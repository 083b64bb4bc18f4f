"""Read plain data into the models of cluster/vocabulary/spec.py. Each field is read separately, so that all faults are reported at once.

Pydantic's validation discards a whole model for one invalid field. Rules about the other fields could not run.
"""

from __future__ import annotations

import math
import types
import unicodedata
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from cluster.file.literals import Fault, colon_trap, read_address, read_network
from cluster.vocabulary.fixes import Fix, remove, rename, replace_by
from cluster.vocabulary.nearest import nearest_name
from cluster.vocabulary.partial import UNREAD, PartialTuple, Unread, join_path
from cluster.vocabulary.problems import Problem, ProblemList
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.spec import Describe, MultiLine, SpecModel

Model = TypeVar("Model", bound=SpecModel)

_NO_DEFAULT = object()  # in the metadata of a field or name that must have a value
# deeper than all fields of the models and of KubeletConfiguration
_DEEPEST = 32


class FieldReader:
    """Read values by their annotation, and collect every fault in `problems`."""

    def __init__(self) -> None:
        self.problems = ProblemList()

    def model(self, kind: type[Model], value: object, path: str) -> Model:
        """The model with all fields that could be read. The other fields are absent (see SpecModel)."""
        given = self._given(kind, value, path)
        found: dict[str, Any] = {}
        for name, field in kind.model_fields.items():
            if given is not None and name in given:
                metadata = [*field.metadata, _NO_DEFAULT] if field.is_required() else field.metadata
                read = self.value(field.annotation, metadata, given[name], join_path(path, name))
                if not isinstance(read, Unread):
                    found[name] = read
            elif given is not None and field.is_required():
                self._fault("missing-field", join_path(path, name), f"{name} is missing", f"add `{name}:` ({_described(field)})")
        model = cast("Model", kind.model_construct(_fields_set=set(found), **found))
        for name, field in kind.model_fields.items():
            # model_construct also sets the default of a field that could not be read
            if name not in found and (given is None or name in given or field.is_required()):
                model.__dict__.pop(name, None)
        return model

    def _given(self, kind: type[SpecModel], value: object, path: str) -> dict[Any, Any] | None:
        """The mapping of field names to values, after reporting unknown names; None if `value` is not a mapping."""
        if isinstance(value, Unread):
            return None
        if not isinstance(value, dict):
            message = f"expected a mapping of fields, got {quoted(value)}"
            self._fault("wrong-type", path, message, f"write some of the fields {_fields(kind)}")
            return None
        for name in value:
            if self.problems.is_hopeless:
                break
            if not isinstance(name, str):
                self._fault("unknown-field", path, f"expected a string as field name, got {quoted(name)}", f"known fields: {_fields(kind)}")
            elif name not in kind.model_fields:
                self._unknown(kind, name, value, path)
        return value

    def value(self, annotation: Any, metadata: Sequence[Any], value: object, path: str) -> Any:  # noqa: PLR0911, PLR0912 one per type
        """The value with the type of its annotation, or UNREAD."""
        if isinstance(value, Unread):
            return UNREAD
        if get_origin(annotation) is Annotated:
            inner, *more = get_args(annotation)
            flat = [item for extra in more for item in (extra.metadata if isinstance(extra, FieldInfo) else [extra])]
            return self.value(inner, [*metadata, *flat], value, path)
        if annotation is Any:
            return self._anything(value, path)
        if get_origin(annotation) in (Union, types.UnionType):
            members = get_args(annotation)
            if members == get_args(IPv4Address | IPv6Address):
                return self._literal(read_address, value, path)
            if members == get_args(IPv4Network | IPv6Network):
                return self._literal(read_network, value, path)
            if value is None:
                return None
            (inner,) = [member for member in members if member is not type(None)]
            return self.value(inner, metadata, value, path)
        if value is None:
            return self._missing_value(path, "the field has no value", metadata)
        if get_origin(annotation) is tuple:
            return self._tuple(get_args(annotation)[0], metadata, value, path)
        if get_origin(annotation) is dict:
            return self._mapping(get_args(annotation), value, path)
        if get_origin(annotation) is Literal:
            return self._choice(get_args(annotation), value, path)
        if issubclass(annotation, SpecModel):
            return self.model(annotation, value, path)
        if issubclass(annotation, Enum):
            chosen = self._choice(tuple(member.value for member in annotation), value, path)
            return chosen if isinstance(chosen, Unread) else annotation(chosen)
        return {bool: self._bool, int: self._int, str: self._str}[annotation](list(metadata), value, path)

    def _fault(self, code: str, path: str, message: str, hint: str, fix: Fix = ()) -> Unread:
        self.problems.append(Problem(code, path or "cluster file", message, hint, fix=fix))
        return UNREAD

    def _missing_value(self, path: str, message: str, metadata: Sequence[Any]) -> Unread:
        if _NO_DEFAULT in metadata:
            return self._fault("missing-value", path, message, "write a value")
        return self._fault("missing-value", path, message, "write a value, or remove the line to use the default", remove(path))

    def _unknown(self, kind: type[SpecModel], name: str, given: Collection[object], path: str) -> None:
        proposal = nearest_name(name, kind.model_fields)
        fix = remove(path, name)
        if proposal is not None:
            hint, fix = f"did you mean `{proposal}`?", fix if proposal in given else rename(proposal, path, name)
        elif any(word in name.lower() for word in ("password", "passphrase", "private_key", "secret", "token")):
            hint = "put secrets into an `SSH credential` block and write its name as `credential`"
        else:
            hint = f"known fields: {_fields(kind)}"
        # do not show the value, which may be a password
        self._fault("unknown-field", join_path(path, name), f"unknown field {quoted(name)}", hint, fix)

    def _bool(self, _metadata: Sequence[Any], value: object, path: str) -> bool | Unread:
        if isinstance(value, bool):
            return value
        fix = replace_by(value.lower() == "true", path) if isinstance(value, str) and value.lower() in ("true", "false") else ()
        return self._fault("wrong-type", path, f"expected true or false, got {quoted(value)}", "write true or false, without quotes", fix)

    def _int(self, metadata: Sequence[Any], value: object, path: str) -> int | Unread:
        if isinstance(value, bool) or not isinstance(value, int):
            digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
            # YAML reads 0644 as a string, because leading zeros mean octal elsewhere
            hint = f"write {int(str(value))}, without quotes and leading zeros" if digits else "write an integer"
            fix = replace_by(int(value), path) if digits and isinstance(value, str) else ()
            return self._fault("wrong-type", path, f"expected an integer, got {quoted(value)}", hint, fix)
        low = max((item.ge for item in metadata if hasattr(item, "ge")), default=None)
        high = min((item.le for item in metadata if hasattr(item, "le")), default=None)
        if (low is not None and value < low) or (high is not None and value > high):
            nearest = low if low is not None and value < low else high
            message = f"{quoted(value)} is not between {low} and {high}"
            return self._fault("out-of-range", path, message, f"write an integer from {low} to {high}", replace_by(nearest, path))
        return value

    def _str(self, metadata: Sequence[Any], value: object, path: str) -> str | Unread:
        if not isinstance(value, str):
            plain = isinstance(value, bool | int | float)
            hint = colon_trap(value) or ('put it in quotes: "..."' if plain else "write a string")
            # 1.30 was read as 1.3, and 10**5000 cannot be printed
            fix = replace_by(str(value), path) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20 else ()
            return self._fault("wrong-type", path, f"expected a string, got {quoted(value)}", hint, fix)
        allowed = "\n\t" if any(isinstance(item, MultiLine) for item in metadata) else ""
        control = next((c for c in value if _is_control(c) and c not in allowed), None)
        if control is not None:
            message = f"{quoted(value)} contains the control character U+{ord(control):04X}"
            printed = "".join(c for c in value if not _is_control(c) or c in allowed)
            return self._fault("control-character", path, message, "remove it", replace_by(printed, path))
        shortest = max((item.min_length or 0 for item in metadata if hasattr(item, "min_length")), default=0)
        longest = min((item.max_length for item in metadata if getattr(item, "max_length", None)), default=None)
        if len(value) < shortest:
            return self._missing_value(path, "the string is empty", metadata)
        if longest is not None and len(value) > longest:
            return self._fault("too-long", path, f"{quoted(value)} has {len(value)} characters", f"use at most {longest} characters")
        for item in metadata:
            if isinstance(item, StringConstraints) and item.pattern is not None:
                return self._matching(item.pattern, metadata, value, path)
        return value

    def _matching(self, pattern: Any, metadata: Sequence[Any], value: str, path: str) -> str | Unread:
        import re

        # \Z: `$` treats a trailing line feed differently in pydantic's engine and in re
        if re.search(str(pattern).removesuffix("$") + r"\Z", value, re.ASCII):
            return value
        words = next((item.words for item in metadata if isinstance(item, Describe)), f"a string that matches {pattern}")
        return self._fault("malformed", path, f"{quoted(value)} is not {words}", f"write {words}")

    def _choice(self, choices: tuple[str, ...], value: object, path: str) -> str | Unread:
        if isinstance(value, str) and value in choices:
            return value
        proposal = nearest_name(value, choices) if isinstance(value, str) else None
        listed = ", ".join(choices)
        hint = f"did you mean {proposal}? known values: {listed}" if proposal else f"write one of {listed}"
        fix = replace_by(proposal, path) if proposal else ()
        return self._fault("not-in-choices", path, f"{quoted(value)} is not one of {listed}", hint, fix)

    def _tuple(self, item: Any, metadata: Sequence[Any], value: object, path: str) -> tuple[Any, ...] | Unread:
        if not isinstance(value, list | tuple):
            hint = f"write a list: [{value}]" if isinstance(value, str) and len(value) < 60 and value.isprintable() else "write a list"
            fix = replace_by([value], path) if isinstance(value, str) else ()
            return self._fault("wrong-type", path, f"expected a list, got {quoted(value)}", hint, fix)
        if len(value) < max((limit.min_length for limit in metadata if hasattr(limit, "min_length")), default=0):
            return self._fault("missing-value", path, "the list is empty", "write at least one item")
        read = tuple(
            UNREAD if self.problems.is_hopeless else self.value(item, (), entry, f"{path}[{index}]") for index, entry in enumerate(value)
        )
        return PartialTuple(read) if any(isinstance(entry, Unread) for entry in read) else read

    def _mapping(self, key_and_item: tuple[Any, ...], value: object, path: str) -> dict[str, Any] | Unread:
        key, item = key_and_item
        if not isinstance(value, dict):
            return self._fault("wrong-type", path, f"expected a mapping, got {quoted(value)}", "write `name: value` lines below the field")
        read: dict[str, Any] = {}
        complete = True
        for name, content in value.items():
            if self.problems.is_hopeless:
                return UNREAD
            if not isinstance(name, str):
                self._fault("wrong-type", path, f"expected a string as name, got {quoted(name)}", 'put it in quotes: "..."')
                complete = False
                continue
            read_key = self.value(key, (_NO_DEFAULT,), name, join_path(path, name))
            entry = self.value(item, (_NO_DEFAULT,), content, join_path(path, name))
            if isinstance(read_key, Unread) or isinstance(entry, Unread):
                complete = False
            else:
                read[read_key] = entry
        return read if complete else UNREAD

    def _literal(self, read: Callable[[object], tuple[Any, Fault | None]], value: object, path: str) -> Any:
        found, fault = read(value)
        if fault is not None:
            fix = replace_by(fault.intended, path) if fault.intended is not None else ()
            self._fault(fault.code, path, fault.message, fault.hint, fix)
        return UNREAD if found is None else found

    def _anything(self, value: object, path: str, depth: int = 0) -> Any:  # noqa: PLR0911 one per type
        """Data that JSON can represent, because the data is sent to the host as JSON."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return (
                value
                if abs(value) < 2**63
                else self._fault("out-of-range", path, f"{quoted(value)} is too large", "use an integer of at most 64 bits")
            )
        if isinstance(value, float):
            return (
                value
                if math.isfinite(value)
                else self._fault("wrong-type", path, f"{value} is not a number in JSON", "write a finite number")
            )
        if isinstance(value, str):
            return self._str([], value, path) if not value.isprintable() and not _multi_line(value) else value
        if depth > _DEEPEST:
            return self._fault("too-deep", path, f"nested more than {_DEEPEST} levels deep", f"use at most {_DEEPEST} levels")
        if isinstance(value, list | tuple):
            items = [self._anything(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
            return UNREAD if any(isinstance(item, Unread) for item in items) else items
        if not isinstance(value, dict):
            return self._fault("wrong-type", path, f"expected data, got {quoted(value)}", "write a string, number, list or mapping")
        pairs = {}
        for name, item in value.items():
            if isinstance(name, str):
                pairs[name] = self._anything(item, join_path(path, name), depth + 1)
            else:
                pairs[""] = self._fault("wrong-type", path, f"expected a string as name, got {quoted(name)}", 'put it in quotes: "..."')
        return UNREAD if any(isinstance(item, Unread) for item in pairs.values()) else pairs


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")


def _fields(kind: type[SpecModel]) -> str:
    return ", ".join(kind.model_fields)


def _described(field: FieldInfo) -> str:
    return (field.description or "").rstrip(".")


def _multi_line(value: str) -> bool:
    return all(c.isprintable() or c in "\n\t" for c in value)
