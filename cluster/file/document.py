"""Parse the text of a cluster file into plain data with the core types of YAML 1.2. JSON uses the same code.

PyYAML's constructor implements YAML 1.1, where `1:20` is 80, `010` is 8, `on` is true, and a duplicate key silently wins.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, field

import yaml

from cluster.vocabulary.partial import UNREAD, join_path
from cluster.vocabulary.problems import Problem, ProblemList
from cluster.vocabulary.quoting import quoted
from cluster.vocabulary.yaml_loader import BoundedLoader, TooDeep

# a cluster of 500 hosts is 200 kB; more is a mistake or an attack
LONGEST = 1_000_000
_MOST_NODES = 200_000
_DEEPEST = 64
# number of lines with a syntax fault that are set aside
_MOST_SYNTAX_FAULTS = 50
# the text is parsed again after each; 1 MB takes half a second
_MOST_PARSED = 5_000_000

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,39})\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?)\.(inf|Inf|INF|nan|NaN|NAN)\Z")
_WORDS = {"": None, "~": None} | {
    spelling: value for word, value in (("null", None), ("true", True), ("false", False)) for spelling in (word, word.title(), word.upper())
}
# characters that YAML forbids, and its line breaks other than \n, which would shift all line numbers
_FORBIDDEN = re.compile("[^\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# possessive (*+): with `[^:#]*?\s*:`, a line of 30,000 blanks took seconds
_KEY = re.compile(r"""(\s*+(?:-\s++)*+)([^\s#:'"\[\]{},&*!|>%@`-][^:#]*+|"[^"]*+"\s*+|'[^']*+'\s*+):(?:\s|$)""")
_ITEM = re.compile(r"(\s*-)(?:\s|$)")
_ASIDE = " !unread ''"
_LESS_DEEP = f"use at most {_DEEPEST} levels, and write the values without aliases"


@dataclass(frozen=True, slots=True)
class Document:
    """The data of a text. `incomplete`: a line with a syntax fault was dropped, so a missing field may have been on that line."""

    data: object
    problems: ProblemList
    incomplete: bool = False
    lines: dict[str, int] = field(default_factory=dict)  # path of a field or item -> line


def parse_document(text: str) -> Document:
    """The data of `text`, and its syntax problems with their lines.

    A line with a syntax fault is set aside and the other lines are read, so that a missing quote does not hide nine other faults.
    The value of this line is UNREAD (cluster/file/fields.py).
    """
    if len(text) > LONGEST:
        return Document(
            UNREAD,
            ProblemList([Problem("too-long", "cluster file", f"the file has {len(text)} characters", f"use at most {LONGEST} characters")]),
        )
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff").split("\n")
    problems = ProblemList()
    incomplete = False
    aside: set[int] = set()
    for number, line in enumerate(lines):
        if (match := _FORBIDDEN.search(line)) is not None:
            problems.append(_syntax(number, f"the character U+{ord(match[0]):04X} is not allowed in YAML", "remove it"))
            lines[number] = _set_aside(line)
            aside.add(number)
            incomplete = incomplete or not lines[number]
    for _ in range(min(_MOST_SYNTAX_FAULTS, _MOST_PARSED // (len(text) + 1)) - len(problems)):
        try:
            loader = BoundedLoader("\n".join(lines))
            try:
                node = loader.get_single_node()
            finally:
                loader.dispose()
        except yaml.MarkedYAMLError as error:
            number = _line_at_fault(error, lines)
            if _quote_is_open(lines[number]):
                problems.append(_syntax(number, "a quote is not closed", "close the quote on the same line"))
            else:
                problems.append(_syntax(number, _error_text(error), _hint(error)))
            if "single document" in str(error.context) or not lines[number]:
                break
            lines[number] = _set_aside(lines[number])
            aside.add(number)
            incomplete = incomplete or not lines[number]
            continue
        except TooDeep as error:
            problems.append(Problem("too-deep", f"line {error.line + 1}", "nested too deep", _LESS_DEEP))
            break
        except yaml.YAMLError:
            problems.append(_syntax(0, "the file cannot be read as YAML", "write plain YAML"))
            break
        constructor = _Constructor(aside)
        data = constructor.data(node, "")
        problems.extend(constructor.problems)
        return Document(data, problems, incomplete, constructor.lines)
    return Document(UNREAD, problems, incomplete)


class _Constructor:
    """Convert YAML nodes to plain data. `aside`: lines, from 0, whose value is marked unread."""

    def __init__(self, aside: Set[int]) -> None:
        self._aside = aside
        self.problems = ProblemList()
        self.lines: dict[str, int] = {}
        self._nodes = 0
        self._too_deep = False

    def data(self, node: yaml.Node | None, path: str, depth: int = 0) -> object:  # noqa: PLR0911 one per type
        self._nodes += 1
        if node is None:
            return None
        # _mapping has already stored the line of a field's name
        self.lines.setdefault(path, node.start_mark.line + 1)
        # count nodes after expanding aliases: a few lines can expand to billions of nodes
        if depth > _DEEPEST or self._nodes > _MOST_NODES:
            if not self._too_deep:
                self._too_deep = True
                self._fault("too-deep", node, path, "nested too deep, or expanded too often by aliases", _LESS_DEEP)
            return UNREAD
        if node.tag == "!unread" and node.start_mark.line in self._aside:  # elsewhere the tag is the user's
            return UNREAD
        if not node.tag.startswith(_TAG) or node.tag.removeprefix(_TAG) not in _KNOWN_TAGS:
            return self._fault("unknown-tag", node, path, "YAML tags (!) are not supported", "remove the tag, or put the string in quotes")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.data(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # YAML has three kinds of nodes
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        lines: dict[str, int] = {}
        merged: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(
                    "wrong-type",
                    key,
                    path,
                    "expected a field name, got a list or mapping",
                    "write a field name, or put the string in quotes",
                )
            elif key.tag == _TAG + "merge":
                content = self.data(value, path, depth + 1)
                for part in content if isinstance(content, list) else [content]:
                    if isinstance(part, dict):
                        merged = part | merged
                    elif part is not UNREAD:
                        self._fault("wrong-type", value, path, "<< merges only mappings", "use the alias of a mapping")
            elif key.value in lines:
                field_path = join_path(path, key.value)
                self._fault(
                    "duplicate-key",
                    key,
                    field_path,
                    f"{quoted(key.value)} is already set in line {lines[key.value]}",
                    "keep one of the two lines",
                )
            else:
                field_path = join_path(path, key.value)
                self.lines[field_path] = lines[key.value] = key.start_mark.line + 1
                found[key.value] = self.data(value, field_path, depth + 1)
        return merged | found

    def _fault(self, code: str, node: yaml.Node, path: str, message: str, hint: str) -> object:
        self.problems.append(Problem(code, path[:120] or "cluster file", f"line {node.start_mark.line + 1}: {message}", hint))
        return UNREAD


_KNOWN_TAGS = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")


def _scalar(node: yaml.ScalarNode) -> object:
    text: str = node.value
    # YAML 1.1 tags some plain scalars that look like numbers as !!str
    if node.style in ("'", '"', "|", ">") or node.tag == _TAG + "str":
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if match := _NOT_FINITE.match(text):
        return float(match[1] + match[2])
    return text


def _set_aside(line: str) -> str:
    """The line with its value marked unread if its key or dash is valid; else an empty line."""
    # the depth of an indentation by tabs is unknown
    if _ASIDE in line or "\t" in line[: len(line) - len(line.lstrip())]:
        return ""
    if match := _KEY.match(line):
        # the name itself may have a forbidden character
        return "" if _FORBIDDEN.search(match[2]) else f"{match[1]}{match[2]}:{_ASIDE}"
    if match := _ITEM.match(line):
        return match[1] + _ASIDE
    return ""


def _line_at_fault(error: yaml.MarkedYAMLError, lines: list[str]) -> int:
    """The line of the fault. For an unclosed quote or bracket this is the line that opens it, not the end of the file."""
    opened = any(word in str(error.context) for word in ("quoted scalar", "flow", "simple key"))
    mark = error.context_mark if opened and error.context_mark is not None else error.problem_mark
    number = min(mark.line if mark is not None else 0, len(lines) - 1)
    # a string that ends at the quote of a later field has an unclosed quote
    number = next((before for before in range(number) if _quote_is_open(lines[before])), number)
    while number > 0 and not lines[number].strip():
        number -= 1
    return number


def _quote_is_open(line: str) -> bool:
    """Whether a quoted string begins on this line and does not end on it."""
    quote, before = "", " "
    for c in line:
        if quote:
            quote = "" if c == quote and before != "\\" else quote
        elif c in "'\"" and before in " \t[{,:":
            quote = c
        elif c == "#" and before in " \t":
            break
        before = c
    return bool(quote)


def _syntax(number: int, message: str, hint: str) -> Problem:
    return Problem("syntax", f"line {number + 1}", message, hint)


def _error_text(error: yaml.MarkedYAMLError) -> str:
    # the name of an alias or tag in it has any length
    return ": ".join(str(part) for part in (error.context, error.problem) if part)[:200]


def _hint(error: yaml.MarkedYAMLError) -> str:
    text = _error_text(error)
    for words, hint in _HINTS.items():
        if words in text:
            return hint
    return "compare the indentation of this line with that of the lines above it"


_HINTS = {
    "tab": "indent with spaces",
    "cannot start any token": "indent with spaces, not tabs, and put a string that begins with a special character in quotes",
    "mapping values are not allowed": "check the indentation, and put strings with colons, such as IPv6 addresses, in quotes",
    "quoted scalar": "close the quote",
    "simple key": "write `name: value`, with a space after the colon",
    "unexpected ':'": "put strings with colons, such as IPv6 addresses, in quotes",
    "flow sequence": "close the [ with ] and separate the items by commas",
    "flow mapping": "close the { with } and separate the fields by commas",
    "single document": "keep one document: remove the --- line and everything after it",
    "alias": "define the anchor (&name) before its alias (*name), or put the string in quotes",
    "expected key": "indent all fields of a mapping by the same number of spaces",
    "'-' indicator": "indent all items of a list by the same number of spaces",
}
