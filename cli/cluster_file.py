"""A cluster file from the command line: a path, or `-` for standard input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.exit_codes import PROBLEMS, USAGE

if TYPE_CHECKING:
    from cluster.file.reader import Reading
    from cluster.vocabulary.problems import Problem
    from cluster.vocabulary.spec import ClusterSpec

# more bytes than cluster/file/document.py's limit in characters
_SIZE_LIMIT = 4_000_000


class Unreadable(Exception):
    """The file has no readable text; the message has the reason."""


def add_file(parser: argparse.ArgumentParser) -> None:
    """The FILE argument."""
    parser.add_argument("file", metavar="FILE", help="cluster file (YAML or JSON), `-` for standard input")


def file_text(file: str) -> str:
    """The text of FILE; Unreadable when it does not exist, is too large or is not UTF-8."""
    try:
        if file == "-":
            data = sys.stdin.buffer.read(_SIZE_LIMIT + 1)
        else:
            with open(file, "rb") as stream:
                data = stream.read(_SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        raise Unreadable(f"{file!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _SIZE_LIMIT:
        raise Unreadable(f"{file!r} is larger than {_SIZE_LIMIT // 1_000_000} MB")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"{file!r} is not UTF-8 (byte {error.start}): save it as UTF-8") from None


def read(file: str, *, manifests: bool = True) -> Reading | int:
    """The reading of FILE; or the exit code, after a message on standard error, when FILE is unreadable.

    The files of `cni: {kind: manifests}` get absolute paths, and are checked too unless `manifests` is False.
    """
    from cluster.file.reader import read_text

    try:
        reading = read_text(file_text(file))
    except Unreadable as error:
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE
    if reading.spec is None or not reading.spec.cni.files:
        return reading
    from cli.manifests import with_manifests

    return with_manifests(reading, Path.cwd() if file == "-" else Path(file).absolute().parent, check=manifests)


def problem_lines(problems: tuple[Problem, ...], line_of: Callable[[str], int | None] | None = None) -> str:
    """Problems for people: path (with the line of the file, if known), message and hint."""
    parts = []
    for problem in problems:
        number = line_of(problem.path) if line_of is not None else None
        # syntax errors have their own line number
        has_line = problem.path.startswith("line ") or problem.message.startswith("line ")
        line = f"line {number}: " if number is not None and not has_line else ""
        parts.append(f"{problem.severity.value}: {line}{problem.path}: {problem.message} [{problem.code}]\n    {problem.hint}")
    return "\n".join(parts)


def read_spec(file: str, *, manifests: bool = True) -> ClusterSpec | int:
    """The spec of FILE; or the exit code, after all problems are printed on standard error."""
    reading = read(file, manifests=manifests)
    if isinstance(reading, int):
        return reading
    if reading.problems:
        print(problem_lines(reading.problems, reading.line), file=sys.stderr)
    return PROBLEMS if reading.spec is None else reading.spec


def as_parameter(spec: ClusterSpec) -> dict[str, Any]:
    """The document that a deployment gets: the fields of the file, without defaults."""
    return spec.model_dump(mode="json", exclude_unset=True)
