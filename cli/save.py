"""`sixstack save FILE`: check a cluster file and save it as a block, under the name of its cluster."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import TYPE_CHECKING

from cli.cluster_argument import Unreadable, file_text, problem_lines, read
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.programs import runnable
from cluster.vocabulary.control_characters import printable

if TYPE_CHECKING:
    from cluster.vocabulary.spec import ClusterSpec


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("file", metavar="FILE", help="cluster file (YAML or JSON), `-` for standard input")
    parser.add_argument("--overwrite", action="store_true", help="replace the saved file of this name if it differs")


def run(options: argparse.Namespace) -> int:
    """0 when the file is saved, or was saved before as it is now."""
    from cli.required_server import require_server
    from cluster.file.saved import saved_text

    try:
        text = file_text(options.file)
    except Unreadable as error:
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE
    reading = read(options.file, text=text)
    assert not isinstance(reading, int)  # the text was readable
    if reading.problems:
        print(problem_lines(reading.problems, reading.line), file=sys.stderr)
    if reading.spec is None:
        print(f"{options.file} is not saved", file=sys.stderr)
        return PROBLEMS
    require_server()
    from blocks.saved_cluster import SavedCluster
    from blocks.saving import Saved, save

    block = SavedCluster(file=saved_text(text, reading.spec))
    outcome = save(block, reading.spec.name, overwrite=options.overwrite)
    if outcome is Saved.DIFFERS:
        _print_difference(reading.spec, block.file)
        return PROBLEMS
    print(runnable(f"saved-cluster/{reading.spec.name}: {outcome}. Next: sixstack plan {reading.spec.name}"))
    return SUCCESS


def _print_difference(spec: ClusterSpec, text: str) -> None:
    """The lines that --overwrite would change."""
    from blocks.loading import load
    from blocks.saved_cluster import SavedCluster

    saved = load(SavedCluster, spec.name).file
    lines = difflib.unified_diff(saved.splitlines(), text.splitlines(), "saved", "file", lineterm="")
    print("\n".join(map(printable, lines)), file=sys.stderr)
    print(f"sixstack: {spec.name} is saved with other content and was kept; --overwrite replaces it", file=sys.stderr)
