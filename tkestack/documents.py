"""Reads Cluster and Machine documents from files: YAML or JSON, several per file, lists of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cluster.file.document import parse_document
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.partial import UNREAD
from cluster.vocabulary.problems import Problem, ProblemList
from cluster.vocabulary.quoting import quoted
from tkestack.fields import Fields, child_path
from tkestack.report import Report

API = "platform.tkestack.io/v1"
# the list kinds of kubectl and of the API server
_LISTS = {("v1", "List"), (API, "ClusterList"), (API, "MachineList")}
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
# text that PyYAML quotes (the name of an alias: a password may begin with *); its own token names are <...>
_QUOTED = re.compile(r"'(?!<)[^']{2,}'")


class Kind(StrEnum):
    """The kinds that an import reads."""

    CLUSTER = "Cluster"
    MACHINE = "Machine"


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its name, for paths, and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One Cluster or Machine document."""

    kind: Kind
    fields: Fields

    @property
    def spec(self) -> Fields:
        """The spec."""
        return self.fields.section("spec")

    @property
    def metadata(self) -> Fields:
        """The metadata."""
        return self.fields.section("metadata")

    @property
    def name(self) -> str:
        """metadata.name; "" if the server would generate it."""
        return self.metadata.text("name")


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of all files."""

    resources: tuple[Resource, ...]
    lines: Mapping[str, int]  # path -> line of its file


def read_sources(sources: Sequence[Source], report: Report) -> Documents:
    """The Cluster and Machine documents of all files, in order; anything else in them is an error."""
    found: list[Resource] = []
    lines: dict[str, int] = {}
    for source in sources:
        name = printable(source.name)
        chunks = list(_chunks(source.text))
        if not chunks:
            report.fault("missing-value", name, "the file is empty", "Pass a file with Cluster or Machine documents.")
        for number, chunk in enumerate(chunks, start=1):
            path = f"{name}: " if len(chunks) == 1 else f"{name}#{number}: "
            document = parse_document(chunk)
            report.problems.extend(ProblemList(_without_quotes(problem, path) for problem in document.problems))
            lines |= {(path + inner if inner else path): line for inner, line in document.lines.items()}
            if document.data is not UNREAD:
                found += _resources(document.data, path, report)
    return Documents(tuple(found), lines)


def _chunks(text: str) -> Iterator[str]:
    """The documents of a text, each with its line numbers kept."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    starts = [0, *(match.end() for match in _SEPARATOR.finditer(text))]
    ends = [*(match.start() for match in _SEPARATOR.finditer(text)), len(text)]
    for start, end in zip(starts, ends, strict=True):
        if any(line.strip() and not line.lstrip().startswith("#") for line in text[start:end].split("\n")):
            yield "\n" * text.count("\n", 0, start) + text[start:end]


def _without_quotes(problem: Problem, path: str) -> Problem:
    """A problem of the text, with its file and without quoted text."""
    hint = (
        problem.hint if "cluster file" not in problem.hint and "examples" not in problem.hint else "Compare this line with the other lines."
    )
    where = path + ("" if problem.path == "cluster file" else problem.path)
    return Problem(problem.code, where.removesuffix(": "), _QUOTED.sub("...", problem.message), hint)


def _resources(data: object, path: str, report: Report) -> Iterator[Resource]:
    if not isinstance(data, dict):
        hint = f"Pass a file with Cluster or Machine documents of {API}."
        report.fault("document-kind", path.removesuffix(": "), "this is not a Kubernetes document", hint)
        return
    fields = Fields(data, path, report)
    version, kind = fields.text("apiVersion"), fields.text("kind")
    if (version, kind) in _LISTS:
        for item in fields.sections("items"):
            yield from _resources(item.data, item.path, report)
    elif version == API and kind in tuple(Kind):
        report.taken(child_path(path, "apiVersion"), "a cluster file")
        report.taken(child_path(path, "kind"), "a cluster file" if kind == Kind.CLUSTER else "hosts[]")
        yield Resource(Kind(kind), fields)
    else:
        message = f"{quoted(kind)} of {quoted(version)} is neither Cluster nor Machine of {API}" if kind else "kind is missing"
        report.fault(
            "document-kind", path.removesuffix(": "), message, "Remove this document: an import reads Cluster and Machine documents."
        )
