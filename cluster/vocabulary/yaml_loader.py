"""A YAML loader that stops at deep nesting, and a reader of YAML that has one error.

PyYAML's composer calls itself for each level, in C without a limit: 30,000 nested lists end the process with SIGSEGV.
Its constructors raise KeyError, IndexError and others for explicit tags with another content, such as `!!int x` or `!!bool x`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader as Loader
else:
    # without libyaml: ten times slower, the same result
    Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# the resource definitions of network plug-ins have about 40 levels
DEEPEST = 200
# after expanding aliases; the largest published manifest of a network plug-in has 60,000 values
_MOST_VALUES = 1_000_000
_PLAIN = (str, int, bool, type(None))


class NotYAML(ValueError):
    """The text is not YAML, or has values that JSON does not have. The message does not quote the text, which may contain a secret."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line  # from 1


class TooDeep(yaml.YAMLError):
    """More than DEEPEST levels of nesting. `line` is the line of the innermost value that was read, from 0."""

    def __init__(self, line: int) -> None:
        super().__init__(f"more than {DEEPEST} levels of nesting")
        self.line = line


class BoundedLoader(Loader):
    """PyYAML's safe loader, which raises TooDeep before it composes a value that is nested too deep."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    # the composers of libyaml and of PyYAML call these two before and after each node
    def descend_resolver(self, current_node: yaml.Node | None, current_index: Any) -> None:
        """Count a level."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise TooDeep(current_node.start_mark.line if current_node is not None else 0)
        super().descend_resolver(current_node, current_index)

    def ascend_resolver(self) -> None:
        """Count a level back."""
        self._depth -= 1
        super().ascend_resolver()


class _PlainLoader(BoundedLoader):
    """YAML without dates, which JSON does not have: a date is read as a string."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve `<<`, and keep one value of each key. PyYAML keeps all: ten mappings that merge each other ten times have 10^10 keys."""
        merges = any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)
        super().flatten_mapping(node)
        if merges:
            last = {(key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key): (key, value) for key, value in node.value}
            node.value = list(last.values())


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in Loader.yaml_implicit_resolvers.items()
}


def load_documents(text: str) -> list[object]:
    """All documents that are not empty, with the values of JSON only; NotYAML for every other text."""
    try:
        documents = [document for document in yaml.load_all(text, Loader=_PlainLoader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYAML("not YAML", mark.line + 1 if mark is not None else None) from None
    except TooDeep as error:
        raise NotYAML(f"{error}", error.line + 1) from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError):
        raise NotYAML("not YAML") from None
    _require_plain(documents)
    return documents


def load_document(text: str) -> object:
    """The only document of a text, None for an empty text; NotYAML for every other text."""
    documents = load_documents(text)
    if len(documents) > 1:
        raise NotYAML("more than one document")
    return documents[0] if documents else None


def _require_plain(documents: list[object]) -> None:
    """NotYAML for data that JSON cannot represent: other types, a list inside itself, and aliases that expand to too many values."""
    waiting: list[object] = [documents]
    seen = 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, list | dict):
            seen += len(value)
            if seen > _MOST_VALUES:
                raise NotYAML(f"more than {_MOST_VALUES} values after expanding aliases")
            waiting += value
            if isinstance(value, dict):
                waiting += value.values()
        elif not isinstance(value, _PLAIN) and not (isinstance(value, float) and math.isfinite(value)):
            raise NotYAML(f"a value of type {type(value).__name__}, which JSON does not have")
