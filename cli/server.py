"""`sixstack server`: start, stop, show and remove the Prefect server and the worker of `sixstack setup`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.exit_codes import ENVIRONMENT, SUCCESS, USAGE
from cli.paths import expanded, path
from cli.programs import prefect, runnable
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.errors import EnvironmentFault

if TYPE_CHECKING:
    from server.setup import Installation


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _action(actions, "up", "start what does not run, and wait until the server answers")
    down = _action(actions, "down", "stop the worker with its runs, and the server, until `sixstack server up` or the next boot")
    down.add_argument("--purge", action="store_true", help="also remove settings, units and database, and with it all saved blocks")
    down.add_argument("--confirm", metavar="FOLDER", help="with --purge: the folder, instead of an answer on the terminal")
    status = _action(actions, "status", "show what runs, and where things are; exit code 3 when something does not run")
    status.add_argument("--output", choices=("text", "json"), default="text")


def _action(actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=summary, description=summary)
    action.add_argument("--folder", type=path, metavar="FOLDER", help="default: the one of the last `sixstack setup`")
    return action


def run(options: argparse.Namespace) -> int:
    """The exit code of the action."""
    from server.services import services_of
    from server.setup import Installation, active_runs, alone, default_installation, purge, start, status, stop, wait_for_worker

    try:
        place = default_installation() if options.folder is None else Installation(expanded("--folder", options.folder).resolve())
    except ValueError as fault:
        print(f"sixstack: {printable(str(fault))}", file=sys.stderr)
        return USAGE
    if options.action == "down" and options.confirm is not None and not options.purge:
        print(f"sixstack: --confirm {options.confirm} is for --purge: add --purge, or leave it out", file=sys.stderr)
        return USAGE
    with contextlib.suppress(FileNotFoundError):  # another error has the reason
        place.settings.file.read_bytes()
    if not place.settings.complete():
        has = (
            f"{place.settings.file} is not of a server with a password"
            if place.settings.file.exists()
            else f"{place.root} has no prefect.toml"
        )
        raise EnvironmentFault(f"{has}: set up a server with `sixstack setup`, or name its folder with --folder")
    services = services_of(place)
    if options.action == "status":
        found = status(place, services)
        _print_status(found, as_json=options.output == "json")
        return SUCCESS if found["answers"] and all(found[name]["runs"] for name in place.names) else ENVIRONMENT
    if options.action == "down" and options.purge and not _purge_confirmed(place, options.confirm):
        return USAGE
    with alone(place):
        if options.action == "up":
            wait_for_worker(place, services, start(place, services, _report))
        elif options.purge:
            purge(place, services, _report)
        else:
            if active := active_runs(place):
                _report(f"these runs end, and can be run again: {', '.join(active)}")
            stop(place, services, _report)
    return SUCCESS


def _report(line: str) -> None:
    print(runnable(line), flush=True)


def _purge_confirmed(place: Installation, confirmed: str | None) -> bool:
    """Whether a person wants to lose what is lost."""
    from cli.terminal_questions import confirm, is_terminal

    lost = "saved blocks (credentials, kubeconfigs, cluster files, recorded host keys), runs and their artifacts"
    if place.settings.has_server and place.settings.database is None:
        _report(f"This removes the Prefect server of {place.root} with its database. Lost: {lost}. Audit records and copies stay.")
    else:
        _report(f"This removes settings and services of {place.root}. The database is elsewhere and stays, with all {lost}.")
    if confirmed is None and is_terminal():
        is_confirmed = confirm("Remove it?")
    else:
        is_confirmed = confirmed is not None and Path(os.path.expanduser(confirmed)).resolve() == place.root
    if not is_confirmed:
        print(f"sixstack: nothing was removed. To confirm: --confirm {shlex.quote(str(place.root))}", file=sys.stderr)
    return is_confirmed


def _print_status(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name in ("server", "worker"):
        if name in found:
            entry = found[name]
            _report(f"{name}: {'runs' if entry['runs'] else 'does not run: sixstack server up'}, {entry['as']}; log: {entry['log']}")
    print(f"api: {found['api']}, {found['fault'] or 'answers'}")
    print(f"folder: {found['folder']}\ndatabase: {found['database']}")
    for slug, value in found["blocks"].items():
        _report(f"{slug}/default: {value or 'none: sixstack setup'}")
    print(f"active runs: {', '.join(found['active_runs']) or 'none'}")
    for run in found["interrupted_runs"]:
        print(f"interrupted: {run['name']}. To continue: cd {shlex.quote(found['folder'])} && {prefect()} flow-run retry {run['id']}")
