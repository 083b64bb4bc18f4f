"""`sixstack prefect-settings FOLDER`: prefect.toml of a Prefect server of your own, on loopback and with a generated password."""

from __future__ import annotations

import argparse
import sys

from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.numbers import whole_number
from cli.paths import expanded, path
from cluster.vocabulary.control_characters import printable


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("folder", type=path, metavar="FOLDER", help="folder for prefect.toml and for Prefect's home, outside the checkout")
    parser.add_argument(
        "--port", type=whole_number(1, 65535), metavar="PORT", default=4200, help="TCP port of the server on 127.0.0.1 (default: 4200)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing prefect.toml; the password of one that only you can read is kept"
    )


def run(options: argparse.Namespace) -> int:
    """0 when the file is written; 1 when there is one already."""
    from server.settings import PrefectSettings

    try:
        settings = PrefectSettings(expanded("FOLDER", options.folder).absolute())
    except ValueError as error:
        print(f"sixstack: {printable(str(error))}", file=sys.stderr)
        return USAGE
    if settings.file.exists() and not options.overwrite:
        fault = "" if settings.protected() else ", and it does not protect a server: no password, or other users can read it"
        print(f"sixstack: {settings.file} exists{fault}; `--overwrite` replaces it", file=sys.stderr)
        return PROBLEMS
    try:
        settings.write(home=settings.folder / "prefect", port=options.port)
    except OSError as error:
        print(f"sixstack: {error.filename} cannot be written: {error.strerror}", file=sys.stderr)
        return USAGE
    print(f"{settings.file}: written. Start (or restart) the server and its workers in this folder.")
    print(f"The UI will be at {settings.ui}. It asks for the value of auth_string, which this prints: grep -m1 auth_string {settings.file}")
    return SUCCESS
