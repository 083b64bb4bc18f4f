"""Read a cluster file. Every input gives a spec or a list of all problems."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cluster.file.fields import FieldReader
from cluster.rules.offline import check_spec
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.problems import Problem, ProblemList, errors_in
from cluster.vocabulary.spec import ClusterSpec

_LONGEST_PATH = 1000  # a longer one has a field name that no cluster file has

# faults that are found before the rules run; docs/reference/problems.md lists them
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
    "too-many-problems": "More problems were found than are listed. An error if one of the others is an error, else a warning.",
    "control-character": "A string contains an invisible control character.",
    "not-an-address": "A string is not an IP address. Brackets, zones (`%eth0`) and prefix lengths are not allowed.",
    "not-a-network": "A string is not a network in CIDR notation.",
    "saved-under-another-name": "A saved cluster file has another `name` than its block.",
    "host-bits-set": "A network has host bits set. The hint has the network without them.",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading a document. `spec` is None if and only if `problems` has an error."""

    spec: ClusterSpec | None
    problems: tuple[Problem, ...]
    lines: Mapping[str, int] = field(default_factory=dict)  # path -> line of the text; empty without a text

    def line(self, path: str) -> int | None:
        """The line of a field, or of the nearest enclosing field in the text; None without a text."""
        while path not in self.lines and path:
            path = path[: max(path.rfind(".", 0, _LONGEST_PATH), path.rfind("[", 0, _LONGEST_PATH), 0)]
        return self.lines.get(path)


def read_text(text: str, *, saved_as: str | None = None) -> Reading:
    """Read YAML or JSON. Syntax faults are problems with their line. `saved_as`: the name of the block with this text."""
    # import PyYAML only for text, not for data (Prefect's parameters)
    from cluster.file.document import parse_document

    document = parse_document(text)
    reading = _read(document.data, document.problems, saved_as)
    # a missing field may have been on a dropped line
    problems = tuple(problem for problem in reading.problems if not (document.incomplete and problem.code == "missing-field"))
    return Reading(reading.spec, problems, document.lines)


def read_document(document: object) -> Reading:
    """Read plain data from YAML, JSON or Prefect's parameters. Never raises."""
    return _read(document, ProblemList())


def _read(document: object, problems: ProblemList, saved_as: str | None = None) -> Reading:
    reader = FieldReader()
    spec = reader.model(ClusterSpec, document, "")
    if saved_as is not None and spec.has("name") and spec.name != saved_as:
        hint = f"write `name: {saved_as}`, or save this file under its own name: `sixstack save FILE`"
        problems.append(Problem("saved-under-another-name", "name", f"{spec.name} is saved as {saved_as}", hint))
    problems.extend(reader.problems)
    # run every rule whose inputs could be read
    problems.extend(check_spec(spec))
    found = (*sorted(dict.fromkeys(map(_printable, problems)), key=_sort_key), *problems.rest("cluster file"))
    return Reading(None if errors_in(found) else spec, found)


def _printable(problem: Problem) -> Problem:
    """The problem without the control characters of a name or value: it is printed on a terminal."""
    if all(text.isprintable() for text in (problem.path, problem.message, problem.hint)):
        return problem
    return replace(problem, path=printable(problem.path), message=printable(problem.message), hint=printable(problem.hint))


def _sort_key(problem: Problem) -> tuple[int, list[tuple[int, str]]]:
    """Sort key: syntax faults first, then fields in the order of the model, list items by index."""
    first, *rest = re.split(r"[.\[\]]+", problem.path)
    fields = list(ClusterSpec.model_fields)
    # numbers before names, by size
    inner = [(int(part), "") if part.isascii() and part.isdigit() and len(part) < 9 else (-1, part) for part in rest if part]
    return fields.index(first) if first in fields else -1, inner
