"""`sixstack server`: start, stop, show and remove the Prefect server and the worker of `sixstack setup`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.exit_codes import ENVIRONMENT, PROBLEMS, SUCCESS, USAGE
from cli.programs import prefect
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
    action.add_argument("--folder", type=Path, metavar="FOLDER", help="default: the one of the last `sixstack setup`")
    return action


def run(options: argparse.Namespace) -> int:
    """The exit code of the action."""
    from server.services import services_of
    from server.setup import Installation, active_runs, default_installation, start, status, stop, wait_for_worker

    place = default_installation() if options.folder is None else Installation(options.folder.expanduser().resolve())
    if not place.settings.complete():
        raise EnvironmentFault(
            f"{place.root} has no prefect.toml of a server: set up a server with `sixstack setup`, or name its folder with --folder"
        )
    services = services_of(place)
    if options.action == "status":
        found = status(place, services)
        _print_status(found, as_json=options.output == "json")
        return SUCCESS if found["answers"] and all(found[name]["runs"] for name in place.names) else ENVIRONMENT
    if options.action == "up":
        wait_for_worker(place, services, start(place, services, _report))
        return SUCCESS
    if options.purge:
        return _purge(place, options.confirm)
    if options.confirm is not None:
        print("sixstack: --confirm is for --purge", file=sys.stderr)
        return USAGE
    if active := active_runs(place):
        _report(f"these runs end, and can be run again: {', '.join(active)}")
    stop(place, services, _report)
    return SUCCESS


def _report(line: str) -> None:
    print(line, flush=True)


def _purge(place: Installation, confirmed: str | None) -> int:
    from cli.terminal_questions import confirm, is_terminal
    from server.services import services_of
    from server.setup import purge

    lost = "saved blocks (credentials, kubeconfigs, cluster files, recorded host keys), runs and their artifacts"
    if place.settings.has_server and place.settings.database is None:
        _report(f"This removes the Prefect server of {place.root} with its database. Lost: {lost}. Audit records and copies stay.")
    else:
        _report(f"This removes settings and services of {place.root}. The database is elsewhere and stays, with all {lost}.")
    if confirmed is None and is_terminal():
        if not confirm("Remove it?"):
            return PROBLEMS
    elif confirmed is None or Path(confirmed).expanduser().resolve() != place.root:
        print(f"sixstack: nothing was removed. To confirm: --confirm {place.root}", file=sys.stderr)
        return USAGE
    purge(place, services_of(place), _report)
    return SUCCESS


def _print_status(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name in ("server", "worker"):
        if name in found:
            entry = found[name]
            print(f"{name}: {'runs' if entry['runs'] else 'does not run: sixstack server up'}, {entry['as']}; log: {entry['log']}")
    print(f"api: {found['api']}, {'answers' if found['answers'] else 'does not answer'}")
    print(f"folder: {found['folder']}\ndatabase: {found['database']}")
    for slug, value in found["blocks"].items():
        print(f"{slug}/default: {value or 'none: sixstack setup'}")
    print(f"active runs: {', '.join(found['active_runs']) or 'none'}")
    for run in found["interrupted_runs"]:
        print(f"interrupted: {run['name']}. To continue: cd {shlex.quote(found['folder'])} && {prefect()} flow-run retry {run['id']}")
