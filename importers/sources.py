"""Reads the YAML or JSON documents of files, several per file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cluster.file.document import parse_document
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.partial import UNREAD
from cluster.vocabulary.problems import Problem, ProblemList
from importers.report import Report

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
# text that PyYAML quotes (the name of an alias: a password may begin with *); its own token names are <...>
_QUOTED = re.compile(r"'(?!<)[^']{2,}'")


@dataclass(frozen=True, slots=True)
class Source:
    """A file: its name, for paths, and its text."""

    name: str
    text: str


def read_documents(source: Source, report: Report, lines: dict[str, int]) -> Iterator[tuple[str, object]]:
    """Path and data of each document of a file; its syntax faults go into the report, the lines of its fields into `lines`."""
    name = printable(source.name)
    chunks = list(_chunks(source.text))
    if not chunks:
        report.fault("missing-value", name, "the file is empty", "Pass a file with documents.")
    for number, chunk in enumerate(chunks, start=1):
        path = f"{name}: " if len(chunks) == 1 else f"{name}#{number}: "
        document = parse_document(chunk)
        report.problems.extend(ProblemList(_without_quotes(problem, path) for problem in document.problems))
        lines |= {(path + inner if inner else path): line for inner, line in document.lines.items()}
        if document.data is not UNREAD:
            yield path, document.data


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
