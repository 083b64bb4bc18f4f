"""Reading a cluster file: total, so whatever is in it, the answer is a spec, or every problem there is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.file.fields import FieldReader
from cluster.rules.offline import check_spec
from cluster.vocabulary.problems import Problem, errors_in
from cluster.vocabulary.spec import ClusterSpec

# the faults of shape, which are found before any rule is asked; docs/reference/problems.md lists them
SHAPES = {
    "syntax": "A line is not valid YAML. The other lines are still checked.",
    "duplicate-key": "A mapping has the same field twice.",
    "unknown-tag": "The file uses a YAML tag (`!`), which cluster files do not support.",
    "unknown-field": "The field does not exist. The hint has the nearest known name.",
    "missing-field": "A required field is missing.",
    "missing-value": "A field has no value, or its list is empty but needs at least one item.",
    "wrong-type": "A value does not have the type of its field, for example a quoted string instead of a number, or one value instead of a list.",
    "not-in-choices": "A value is not one of the allowed values.",
    "out-of-range": "A number is too small or too large.",
    "malformed": "A string does not have the format of its field.",
    "too-long": "A string or the file is too long.",
    "too-deep": "Values are nested too deep, or aliases expand to too many values.",
    "control-character": "A string contains an invisible control character.",
    "not-an-address": "A string is not an IP address. Brackets, zones (`%eth0`) and prefix lengths are not allowed.",
    "not-a-network": "A string is not a network in CIDR notation.",
    "host-bits-set": "A network has host bits set. The hint has the network without them.",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a document says. `spec` is None exactly when a problem of `problems` is an error; warnings may come with a spec."""

    spec: ClusterSpec | None
    problems: tuple[Problem, ...]
    lines: Mapping[str, int] = field(default_factory=dict)  # path -> line of the text, where there was one

    def line(self, path: str) -> int | None:
        """The line of a field, or of the nearest thing around it that stands in the text; None without a text."""
        while path not in self.lines and path:
            path = re.sub(r"(\.?[^.\[\]]+|\[[^\[\]]*\]?|.)\Z", "", path, flags=re.DOTALL)
        return self.lines.get(path)


def read_text(text: str) -> Reading:
    """Read YAML or JSON; faults of the syntax are problems that name their line."""
    # PyYAML is not paid for by those who come with data (Prefect's parameters)
    from cluster.file.document import parse_document

    document = parse_document(text)
    reading = _read(document.data, document.problems)
    # what stood in a torn line is not missing
    problems = tuple(problem for problem in reading.problems if not (document.incomplete and problem.code == "missing-field"))
    return Reading(reading.spec, problems, document.lines)


def read_document(document: object) -> Reading:
    """Read plain data (what YAML, JSON or Prefect's parameters gave). Never raises."""
    return _read(document, ())


def _read(document: object, problems: tuple[Problem, ...]) -> Reading:
    reader = FieldReader()
    spec = reader.model(ClusterSpec, document, "")
    # what could be read is judged by every rule that needs no more than that
    found = tuple(sorted(dict.fromkeys((*problems, *reader.problems, *check_spec(spec))), key=_sort_key))
    return Reading(None if errors_in(found) else spec, found)


def _sort_key(problem: Problem) -> tuple[int, list[tuple[int, str]]]:
    """Where a problem stands among the others: faults of syntax first, then the fields as the model has them, hosts by their number."""
    first, *rest = re.split(r"[.\[\]]+", problem.path)
    fields = list(ClusterSpec.model_fields)
    # numbers before names, by size
    inner = [(int(part), "") if part.isascii() and part.isdigit() and len(part) < 9 else (-1, part) for part in rest if part]
    return fields.index(first) if first in fields else -1, inner
