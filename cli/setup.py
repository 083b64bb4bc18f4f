"""`sixstack setup`: a Prefect server with a password, a worker, blocks, deployments and the bundle, in one command."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, parse_qs, quote, urlsplit, urlunsplit

from cli.exit_codes import SUCCESS, USAGE
from cli.numbers import whole_number
from cli.paths import expanded, path
from cli.programs import runnable
from cluster.vocabulary.control_characters import printable

T = TypeVar("T")

_EXAMPLES = """\
examples:
  sixstack setup
  sixstack setup --folder ~/sixstack --bundle /srv/bundle
  sixstack setup --postgres postgresql://sixstack@db.example/sixstack       # asks for the password
  sixstack setup --public-url https://prefect.example                       # behind a reverse proxy, for a team
  sixstack setup --server https://prefect.example/api --password-file pw    # a worker for a server that runs elsewhere

It is safe to run this again: what is there stays, and what is missing is added. Passwords are asked for, read from a file that only you can
read, or, without a terminal, a line of standard input.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--folder",
        type=path,
        metavar="FOLDER",
        help="folder of settings, database, records and copies (default: /srv/sixstack for root, else ~/.local/share/sixstack)",
    )
    parser.add_argument(
        "--port", type=whole_number(1, 65535), metavar="PORT", help="port of the server on 127.0.0.1 (default: 4200, or the next free one)"
    )
    parser.add_argument("--bundle", type=path, metavar="FOLDER", help="bundle to register (default: the one in the cache folder)")
    elsewhere = parser.add_mutually_exclusive_group()
    elsewhere.add_argument(
        "--postgres", metavar="URL", help="PostgreSQL instead of SQLite: postgresql://USER@HOST/DATABASE, without the password"
    )
    elsewhere.add_argument("--server", metavar="URL", help="API of a server that runs elsewhere: only a worker runs on this machine")
    parser.add_argument(
        "--ca-file",
        type=path,
        metavar="FILE",
        help="with --server: certificate of the authority that issued the server's one; it stays there",
    )
    parser.add_argument(
        "--public-url", metavar="URL", help="address of the server of this machine behind a reverse proxy, such as https://prefect.example"
    )
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="with --postgres: file with the password of the database; with --server: with USER:PASSWORD of the server; `-` is standard input",
    )
    parser.add_argument(
        "--background", action="store_true", help="processes in the background instead of systemd units; a reboot ends them"
    )


def run(options: argparse.Namespace) -> int:
    """0 when everything is there and runs."""
    from server.setup import Installation, Wishes, default_installation, set_up

    faults: list[str] = []

    def read(option: Callable[[], T]) -> T | None:
        try:
            return option()
        except ValueError as fault:
            faults.append(str(fault))
            return None

    is_elsewhere = options.server is not None
    database = read(lambda: _postgres(options.postgres)) if options.postgres is not None else None
    server = read(lambda: _api(options.server)) if is_elsewhere else None
    public_url = read(lambda: _public_url(options.public_url)) if options.public_url is not None else None
    authority = read(lambda: _authority(options.ca_file, options.server)) if options.ca_file is not None else None
    root = read(lambda: expanded("--folder", options.folder).resolve()) if options.folder is not None else None
    bundle = read(lambda: _bundle(options.bundle)) if options.bundle is not None else None
    if is_elsewhere:
        faults += [
            f"{name} {value} is of a server on this machine, and --server names another one: leave one of them out"
            for name, value in (("--port", options.port), ("--public-url", options.public_url))
            if value is not None
        ]
    password = None
    if options.password_file is not None and options.postgres is None and not is_elsewhere:
        faults.append(f"--password-file {options.password_file} is for --postgres and --server: add one of them, or leave it out")
    elif options.password_file not in {None, "-"} or ((database or server) and not faults):  # nothing is asked before all else is right
        password = read(lambda: _password(options.password_file, is_elsewhere=is_elsewhere))
    if faults:
        for fault in faults:
            print(f"sixstack: {printable(fault)}", file=sys.stderr)
        return USAGE
    if database is not None and password:
        database = _with_password(database, password)
    auth = password if is_elsewhere else None
    place = default_installation() if root is None else Installation(root)
    wishes = Wishes(options.port, bundle, database, server, auth, authority, public_url, options.background)
    try:
        set_up(place, wishes, lambda line: print(runnable(line), flush=True))
    except KeyboardInterrupt:
        print("interrupted. The same command again continues with what is missing", file=sys.stderr)
        return 130
    print(runnable("\nNext: sixstack credential add default --key FILE, then sixstack init"))
    print("Or in the UI: an `SSH credential` block, then the deployment save-cluster (docs/how-to/ui.md)")
    return SUCCESS


def _bundle(folder: Path) -> Path:
    """The folder of a bundle. ValueError when it has no manifest, or a damaged one."""
    from bundle.manifest import read_manifest
    from cluster.vocabulary.errors import SixstackError

    found = expanded("--bundle", folder).absolute()
    try:
        read_manifest(found)
    except SixstackError as error:
        raise ValueError(f"--bundle {folder}: {error}") from None
    return found


def _parts(option: str, url: str, example: str) -> SplitResult:
    """The parts of a URL. ValueError, which has no part of the URL that may be a password."""
    parts, port = None, 0
    with contextlib.suppress(ValueError):  # its text may have the password
        parts = urlsplit(url)
        port = 1 if parts.port is None else parts.port
    # urlsplit removes tabs and line feeds
    if parts is None or not port or not url.isprintable() or " " in url:
        raise ValueError(
            f"{option} {_shown(url)} has a wrong port, an address without its brackets, or signs that no URL has: write {example}"
        )
    return parts


def _shown(url: str) -> str:
    """A URL without the parts that may have a password."""
    before, at, after = url.partition("?")[0].rpartition("@")
    return repr(f"{before.partition('//')[0]}//...@{after}" if at else after)


def _postgres(url: str) -> str:
    """The connection URL for Prefect, without the password. ValueError for a URL that is none, or that has a password."""
    example = "postgresql://USER@HOST/DATABASE"
    parts = _parts("--postgres", url, example)
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise ValueError(
            "--postgres has a password, which every user of this machine can see: remove it from the URL. It is asked for. Change it"
        )
    if parts.scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not parts.path.strip("/"):
        raise ValueError(f"--postgres {_shown(url)} is no URL of a PostgreSQL database: write {example}")
    return urlunsplit(("postgresql+asyncpg", parts.netloc, parts.path, parts.query, ""))


def _with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"{user}:{quote(password, safe='')}@{host}", parts.path, parts.query, ""))


def _api(url: str) -> str:
    """The URL of the API. ValueError for a URL that is none, or that has a password."""
    example = "https://prefect.example/api"
    parts = _parts("--server", url, example)
    if "@" in parts.netloc:
        raise ValueError(
            "--server has a user or password, which every user of this machine can see: remove it from the URL. It is asked for"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"--server {_shown(url)} is no URL of an API: write one such as {example}")
    return f"{url.rstrip('/').removesuffix('/api')}/api"


def _public_url(url: str) -> str:
    """The address of the UI. ValueError for a URL with a path, under which Prefect would have to be told to serve, or with a password."""
    example = "https://prefect.example"
    parts = _parts("--public-url", url, example)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ValueError(f"--public-url {_shown(url)} is no address of a UI: write it without a user and a path, such as {example}")
    return f"{parts.scheme}://{parts.netloc}"


def _authority(file: Path, server: str | None) -> Path:
    """The file of an authority. ValueError for one without a certificate, or without a server that has TLS."""
    from blocks.prefect_api import verification

    if server is None or not server.startswith("https:"):
        raise ValueError(f"--ca-file {file} is for --server with an https URL: add one, or leave it out")
    found = expanded("--ca-file", file).resolve()
    try:
        found.read_bytes()
    except OSError as fault:
        raise ValueError(f"--ca-file {file} cannot be read: {fault.strerror}") from None
    try:
        verification(server, str(found))
    except OSError as fault:
        raise ValueError(f"--ca-file {file} has no certificate of an authority, in PEM: {fault}") from None
    return found


def _password(file: str | None, *, is_elsewhere: bool) -> str:
    """The password of the database, or USER:PASSWORD of the server elsewhere. ValueError, without any part of it."""
    secret = _secret("USER:PASSWORD of the server" if is_elsewhere else "Password of the database", file)
    source = "the answer" if file is None else "standard input" if file == "-" else f"--password-file {file}"
    if not secret.isprintable():
        raise ValueError(f"{source} has more than one line, or control characters: it must be one line of UTF-8 text")
    if is_elsewhere and not all(secret.partition(":")):
        raise ValueError(f"{source} is not USER:PASSWORD, the value of PREFECT_SERVER_API_AUTH_STRING of that server")
    return secret


def _secret(what: str, file: str | None) -> str:
    """From the terminal, from a file that only its owner can read, or from standard input."""
    from cli.terminal_questions import ask_secret

    if file is None:
        return ask_secret(what)
    if file == "-":
        return sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
    found = expanded("--password-file", Path(file))
    try:
        if found.is_dir():
            raise ValueError(f"--password-file {file} is a folder: name a file with one line")
        if found.stat().st_mode & 0o077:
            raise ValueError(f"--password-file {file} can be read by others: chmod 600 {shlex.quote(str(found))}")
        return found.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as fault:
        raise ValueError(f"--password-file {file} cannot be read: {fault.strerror}") from None
    except UnicodeDecodeError:  # its text has bytes of the password
        raise ValueError(f"--password-file {file} is not UTF-8") from None
