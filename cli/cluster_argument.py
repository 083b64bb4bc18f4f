"""The CLUSTER argument: the name of a saved cluster, the path of a cluster file, or `-` for standard input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.block_names import block_name
from cli.exit_codes import PROBLEMS, USAGE
from cli.programs import runnable
from cluster.vocabulary.control_characters import without_control

if TYPE_CHECKING:
    from cluster.file.reader import Reading
    from cluster.vocabulary.problems import Problem
    from cluster.vocabulary.spec import ClusterSpec

# more bytes than cluster/file/document.py's limit in characters
_SIZE_LIMIT = 4_000_000


class Unreadable(Exception):
    """The file has no readable text; the message has the reason."""


def add_cluster(parser: argparse.ArgumentParser, name: str = "cluster", *, file: str = "a cluster file") -> None:
    """The CLUSTER argument."""
    parser.add_argument(
        name,
        metavar="CLUSTER",
        help=f"name of a saved cluster; or {file}: a path with / or ending in .yaml, .yml or .json, or `-` for standard input",
    )


def add_only(parser: argparse.ArgumentParser) -> None:
    """The option --only."""
    parser.add_argument(
        "--only",
        metavar="HOST",
        nargs="+",
        action="extend",
        default=[],
        help="inspect and change only these hosts and one control plane, to add hosts to a large cluster; write it after CLUSTER",
    )


def is_file(cluster: str) -> bool:
    """Whether CLUSTER is a path or `-`; otherwise it is a name."""
    return cluster == "-" or "/" in cluster or cluster.endswith((".yaml", ".yml", ".json"))


def file_text(file: str) -> str:
    """The text of FILE; Unreadable when it does not exist, is too large or is not UTF-8."""
    try:
        if file == "-":
            if sys.stdin is None:
                raise Unreadable("standard input is closed: write the path of a file instead of `-`")
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


def read(cluster: str, *, manifests: bool = True, text: str | None = None) -> Reading | int:
    """The reading of CLUSTER; or the exit code, after a message on standard error, when it is unreadable.

    The files of `cni: {kind: manifests}` get absolute paths, and are checked too unless `manifests` is False. Raises EnvironmentFault for a saved
    cluster that does not exist. `text`: the text of the file, when it was read before.
    """
    if text is None and not is_file(cluster):
        return _read_saved(cluster, manifests=manifests)
    from cluster.file.reader import read_text

    try:
        reading = read_text(file_text(cluster) if text is None else text)
    except Unreadable as error:
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE
    return _with_manifests(reading, Path.cwd() if cluster == "-" else Path(cluster).absolute().parent, check=manifests)


def _read_saved(name: str, *, manifests: bool) -> Reading:
    from cli.required_server import require_server
    from cluster.vocabulary.errors import SixstackError
    from runs.given_cluster import given_cluster, require_name

    try:
        require_name(name)
        require_server()
        reading = given_cluster(name).read()
    except SixstackError:
        if Path(name).is_file():
            print(f"sixstack: {name} without / is the name of a saved cluster; for the file, write ./{name}", file=sys.stderr)
        raise
    return _with_manifests(reading, Path("/"), check=manifests)


def _with_manifests(reading: Reading, folder: Path, *, check: bool) -> Reading:
    if reading.spec is None or not reading.spec.cni.files:
        return reading
    from cli.manifests import with_manifests

    return with_manifests(reading, folder, check=check)


def problem_lines(problems: tuple[Problem, ...], line_of: Callable[[str], int | None] | None = None) -> str:
    """Problems for people: path (with the line of the file, if known), message and hint."""
    parts = []
    for problem in problems:
        number = line_of(problem.path) if line_of is not None else None
        # syntax errors have their own line number
        has_line = problem.path.startswith("line ") or problem.message.startswith("line ")
        line = f"line {number}: " if number is not None and not has_line else ""
        parts.append(f"{problem.severity.value}: {line}{problem.path}: {problem.message} [{problem.code}]\n    {problem.hint}")
    return runnable(without_control("\n".join(parts)))


def read_spec(cluster: str, *, manifests: bool = True) -> ClusterSpec | int:
    """The spec of CLUSTER; or the exit code, after all problems are printed on standard error."""
    reading = read(cluster, manifests=manifests)
    if isinstance(reading, int):
        return reading
    if reading.problems:
        print(problem_lines(reading.problems, reading.line), file=sys.stderr)
    return PROBLEMS if reading.spec is None else reading.spec


def as_parameter(cluster: str, spec: ClusterSpec) -> dict[str, Any] | str:
    """What a deployment gets: the name of a saved cluster; else the fields of the file, without defaults."""
    return spec.model_dump(mode="json", exclude_unset=True) if is_file(cluster) else cluster


def cluster_name(cluster: str) -> str | int:
    """The name of the cluster, for a command that needs nothing else; or the exit code, after all problems of its file are printed."""
    if not is_file(cluster):
        try:
            return block_name(cluster)
        except argparse.ArgumentTypeError as error:
            print(f"sixstack: CLUSTER {error}", file=sys.stderr)
            return USAGE
    spec = read_spec(cluster, manifests=False)
    return spec if isinstance(spec, int) else spec.name
