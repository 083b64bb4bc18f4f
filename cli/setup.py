"""`sixstack setup`: a Prefect server with a password, a worker, blocks, deployments and the bundle, in one command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from cli.exit_codes import SUCCESS, USAGE
from cli.numbers import whole_number

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
        type=Path,
        metavar="FOLDER",
        help="folder of settings, database, records and copies (default: /srv/sixstack for root, else ~/.local/share/sixstack)",
    )
    parser.add_argument(
        "--port", type=whole_number(1, 65535), metavar="PORT", help="port of the server on 127.0.0.1 (default: 4200, or the next free one)"
    )
    parser.add_argument("--bundle", type=Path, metavar="FOLDER", help="bundle to register (default: the one in the cache folder)")
    elsewhere = parser.add_mutually_exclusive_group()
    elsewhere.add_argument(
        "--postgres", metavar="URL", help="PostgreSQL instead of SQLite: postgresql://USER@HOST/DATABASE, without the password"
    )
    elsewhere.add_argument("--server", metavar="URL", help="API of a server that runs elsewhere: only a worker runs on this machine")
    parser.add_argument(
        "--ca-file",
        type=Path,
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

    place = default_installation() if options.folder is None else Installation(options.folder.expanduser().resolve())
    try:
        database = _postgres(options.postgres, options.password_file) if options.postgres is not None else None
        server = _api(options.server) if options.server is not None else None
        if database is None and server is None and options.password_file is not None:
            raise ValueError("--password-file is for --postgres and --server")
        auth = _auth(options.password_file) if server is not None else None
        if options.port is not None and server is not None:
            raise ValueError("--port is of a server on this machine, and --server names another one")
        public_url = _public_url(options.public_url) if options.public_url is not None else None
        if public_url is not None and server is not None:
            raise ValueError("--public-url is of a server on this machine, and --server names another one")
        authority = _authority(options.ca_file, server) if options.ca_file is not None else None
    except (ValueError, OSError) as error:
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE
    if database is not None:
        from server.postgres import check_database

        check_database(database)
    bundle = options.bundle and options.bundle.expanduser()
    wishes = Wishes(options.port, bundle, database, server, auth, authority, public_url, options.background)
    set_up(place, wishes, lambda line: print(line, flush=True))
    print("\nNext: sixstack credential add default --key FILE, then sixstack init")
    print("Or in the UI: an `SSH credential` block, then the deployment save-cluster (docs/how-to/ui.md)")
    return SUCCESS


def _postgres(url: str, file: str | None) -> str:
    """The connection URL for Prefect, with the password. ValueError for a URL that is none, or that has a password."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres", "postgresql+asyncpg"} or not parts.path.strip("/"):
        raise ValueError("--postgres must be postgresql://USER@HOST/DATABASE")
    if parts.password is not None:
        raise ValueError(
            "--postgres has a password, which every user of this machine can see: remove it from the URL. It is asked for. Change it"
        )
    password = _secret("Password of the database", file)
    user = (parts.username or "") + (f":{quote(password, safe='')}" if password else "")
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(("postgresql+asyncpg", f"{user}@{host}" if user else host, parts.path, parts.query, ""))


def _api(url: str) -> str:
    """The URL of the API. ValueError for a URL that is none, or that has a password."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("--server must be the URL of an API, such as https://prefect.example/api")
    if parts.username is not None:
        raise ValueError(
            "--server has a user or password, which every user of this machine can see: remove it from the URL. It is asked for"
        )
    return f"{url.rstrip('/').removesuffix('/api')}/api"


def _public_url(url: str) -> str:
    """The address of the UI. ValueError for a URL with a path, under which Prefect would have to be told to serve, or with a password."""
    parts = urlsplit(url)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise ValueError("--public-url must be the address of the UI without a path, such as https://prefect.example")
    return f"{parts.scheme}://{parts.netloc}"


def _authority(file: Path, server: str | None) -> Path:
    """The file of an authority. ValueError for one without a certificate, or without a server that has TLS."""
    if server is None or not server.startswith("https:"):
        raise ValueError("--ca-file is for --server with an https URL")
    from blocks.prefect_api import verification

    path = file.expanduser().resolve()
    path.read_bytes()  # a missing file is reported with its path
    try:
        verification(str(path))
    except OSError as fault:
        raise ValueError(f"{path} is no file with the certificate of an authority, in PEM: {fault}") from None
    return path


def _auth(file: str | None) -> str:
    auth = _secret("Password of the server, as USER:PASSWORD", file)
    if not all(auth.partition(":")):
        raise ValueError("the password of the server must be USER:PASSWORD, the value of its PREFECT_SERVER_API_AUTH_STRING")
    return auth


def _secret(what: str, file: str | None) -> str:
    """From the terminal, from a file that only its owner can read, or from standard input."""
    from cli.terminal_questions import ask_secret

    if file is None:
        return ask_secret(what)
    if file == "-":
        return sys.stdin.readline().rstrip("\r\n")
    path = Path(file).expanduser()
    if path.stat().st_mode & 0o077:
        raise ValueError(f"{path} can be read by others: chmod 600 {path}")
    return path.read_text(encoding="utf-8").rstrip("\r\n")
