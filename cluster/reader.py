"""Reading a cluster file: total, so whatever is in it, the answer is a spec, or every problem there is."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.fields import FieldReader
from cluster.problems import Problem, errors_in
from cluster.rules.offline import check_spec
from cluster.spec import ClusterSpec


@dataclass(frozen=True, slots=True)
class Reading:
    """What a document says. `spec` is None exactly when a problem of `problems` is an error; warnings may come with a spec."""

    spec: ClusterSpec | None
    problems: tuple[Problem, ...]


def read_text(text: str) -> Reading:
    """Read YAML or JSON; faults of the syntax are problems that name their line."""
    # PyYAML is not paid for by those who come with data (Prefect's parameters)
    from cluster.document import parse_document

    document = parse_document(text)
    reading = _read(document.data, document.problems)
    # what stood in a torn line is not missing
    told = tuple(problem for problem in reading.problems if not (document.torn and problem.code == "missing-field"))
    return Reading(reading.spec, told)


def read_document(document: object) -> Reading:
    """Read plain data (what YAML, JSON or Prefect's parameters gave). Never raises."""
    return _read(document, ())


def _read(document: object, problems: tuple[Problem, ...]) -> Reading:
    reader = FieldReader()
    spec = reader.model(ClusterSpec, document, "")
    # what could be read is judged by every rule that needs no more than that
    found = tuple(dict.fromkeys((*problems, *reader.problems, *check_spec(spec))))
    return Reading(None if errors_in(found) else spec, found)
