"""`sixstack pin CLUSTER`: write the host keys of a cluster's machines into its file; with `--forget`, forget keys that were recorded on first use."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.cluster_argument import Unreadable, add_cluster, cluster_name, file_text, is_file, problem_lines
from cli.columns import print_columns
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.programs import runnable
from cli.terminal_questions import confirm
from cluster.vocabulary.control_characters import printable

if TYPE_CHECKING:
    from cluster.file.reader import Reading
    from cluster.vocabulary.errors import SixstackError
    from cluster.vocabulary.host_keys import RecordedHostKey
    from hosts.host_keys import Sshd
    from runs.recorded_keys import ClusterKeys


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    add_cluster(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--yes", action="store_true", help="write the keys into the file without asking")
    group.add_argument("--print", action="store_true", help="print the lines, as for a saved cluster and for `-`, and write nothing")
    group.add_argument("--output", choices=["text", "json"], default="text", help="json: print the keys as a list, and write nothing")
    group.add_argument(
        "--forget",
        metavar="HOST",
        action="append",
        default=[],
        help="forget the recorded key of a host, or of an endpoint such as 192.0.2.1:22, so that the next login records a new one; repeatable",
    )


def run(options: argparse.Namespace) -> int:
    """0 when every endpoint has a key, in the file or on standard output, or when all named keys are forgotten."""
    if options.forget:
        return _forget(options.cluster, options.forget)
    from cluster.file.host_keys import read_unpinned

    try:
        text = file_text(options.cluster) if is_file(options.cluster) else _saved_text(options.cluster)
    except Unreadable as unreadable:
        print(f"sixstack: {unreadable}", file=sys.stderr)
        return USAGE
    reading = read_unpinned(text)
    if reading.problems:
        print(problem_lines(reading.problems, reading.line), file=sys.stderr)
    if reading.spec is None:
        return PROBLEMS
    found, errors = _read_keys(text, reading)
    for error in errors:
        print(f"sixstack: {printable(str(error))}", file=sys.stderr)
    if options.output == "json":
        print(json.dumps([one.as_dict() for one in found], indent=1))
    elif not found:
        print(f"{options.cluster}: {'no key could be read' if errors else 'every host key is pinned already'}", file=sys.stderr)
    elif options.print or options.cluster == "-" or not is_file(options.cluster):
        _print_lines(found)
    elif not _write(Path(options.cluster), text, found, ask=not options.yes):
        return PROBLEMS
    return PROBLEMS if errors else SUCCESS


@dataclass(frozen=True, slots=True)
class _Found:
    """The key of one endpoint."""

    path: str  # of the endpoint in the file
    host: str
    endpoint: str
    key: str
    recorded: RecordedHostKey | None

    @property
    def origin(self) -> str:
        """What the owner compares, or compared."""
        if self.recorded is not None:
            return f"the same as on first use, {self.recorded.recorded:%Y-%m-%d %H:%M} UTC"
        return "presented now: compare it with `ssh-keygen -lf` of the key in /etc/ssh on the machine's console"

    def as_dict(self) -> dict[str, str | None]:
        """The JSON form. `recorded`: when the key was recorded on first use."""
        from cluster.vocabulary.host_keys import fingerprint

        recorded = self.recorded.recorded.isoformat(timespec="seconds") if self.recorded is not None else None
        return {
            "host": self.host,
            "endpoint": self.endpoint,
            "field": f"{self.path}.host_key",
            "host_key": self.key,
            "fingerprint": fingerprint(self.key),
            "recorded": recorded,
        }


def _saved_text(name: str) -> str:
    from cli.required_server import require_server
    from runs.given_cluster import given_cluster, require_name

    require_name(name)
    require_server()
    return given_cluster(name).text


def _read_keys(text: str, reading: Reading) -> tuple[list[_Found], list[SixstackError]]:
    """The keys that the machines without a pinned key present now, and the errors of the others. EnvironmentFault is raised."""
    from blocks.prefect_api import is_configured
    from cli.required_server import require_server
    from cluster.file.host_keys import unpinned
    from cluster.file.reader import read_text
    from cluster.vocabulary.errors import EnvironmentFault, SixstackError
    from cluster.vocabulary.host_keys import endpoint_name
    from hosts.host_keys import Sshd, jump_of

    assert reading.spec is not None
    endpoints = list(unpinned(reading.spec))
    recorded: ClusterKeys | None = None
    # recorded keys and the login to a jump host need the server; the keys of other machines can be read without one
    if endpoints and (is_configured() or any(jump is not None for *_, jump in endpoints)):
        require_server()
        from runs.recorded_keys import ClusterKeys

        recorded = ClusterKeys(reading.spec.name)
    keyless = {problem.path for problem in read_text(text).problems if problem.code == "host-key-missing"}
    machines = {
        path: Sshd(host, host, endpoint, jump) if path.endswith(".ssh") else jump_of(host, endpoint)
        for path, host, endpoint, jump in endpoints
    }

    def read(path: str, sshd: Sshd) -> str | SixstackError:
        try:
            return _read_key(sshd, recorded, jump_has_key=f"{path}.jump.host_key" not in keyless)
        except EnvironmentFault:
            raise
        except SixstackError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(machines, pool.map(read, machines, machines.values()), strict=True))
    found, errors = [], []
    for path, sshd in machines.items():
        answer, name = answers[path], endpoint_name(sshd.endpoint, sshd.jump)
        if isinstance(answer, SixstackError):
            errors.append(answer)
        else:
            found.append(_Found(path, sshd.host, name, answer, recorded.find(name) if recorded is not None else None))
    return found, errors


def _read_key(sshd: Sshd, recorded: ClusterKeys | None, *, jump_has_key: bool) -> str:
    from cluster.vocabulary.errors import HostError
    from hosts.transport import read_host_key
    from runs.sessions import credential

    if sshd.jump is not None and not jump_has_key:
        raise HostError(sshd.label, "its jump host has no host key", "Write the key of the jump host first, then pin again.")
    return read_host_key(sshd, credential, recorded)


def _print_lines(found: list[_Found]) -> None:
    from cluster.vocabulary.host_keys import fingerprint

    for one in found:
        print(f"# {one.host} {one.endpoint}: {fingerprint(one.key)}, {one.origin}")
        print(f"{one.path}.host_key: {one.key}")


def _write(path: Path, text: str, found: list[_Found], *, ask: bool) -> bool:
    """Show the fingerprints, ask, and write the keys into the file; whether they are written."""
    from cluster.file.host_keys import with_host_keys
    from cluster.vocabulary.host_keys import fingerprint

    changed = with_host_keys(text, {one.path: one.key for one in found})
    if changed is None:
        _print_lines(found)
        print(f"sixstack: {path} is not changed, because its aliases would change other fields too: write these lines", file=sys.stderr)
        return False
    print_columns([(one.host, one.endpoint, fingerprint(one.key), one.origin) for one in found])
    keys = "1 host key" if len(found) == 1 else f"{len(found)} host keys"
    if ask and not confirm(f"Write {keys} into {path}?"):
        print(f"sixstack: {path} is not changed", file=sys.stderr)
        return False
    try:
        _replace(path.resolve(), text, changed)
    except (OSError, Unreadable) as error:
        print(f"sixstack: {path} is not changed: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return False
    print(runnable(f"{keys} written into {path}. Next: sixstack check {path}"))
    return True


def _replace(path: Path, text: str, changed: str) -> None:
    """Write a temporary file and rename it: a run that reads the file at this moment gets the old or the new text."""
    if file_text(str(path)) != text:  # an editor saved it while the fingerprints were compared
        raise Unreadable("the file has changed meanwhile: pin again")
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(changed.encode())
            os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _forget(cluster: str, names: list[str]) -> int:
    """Forget recorded keys; nothing is forgotten when one of the names has none."""
    from cli.required_server import require_server

    name = cluster_name(cluster)
    if isinstance(name, int):
        return name
    require_server()
    from runs.recorded_keys import forget_keys, recorded_keys

    known = recorded_keys(name)
    if unknown := [wanted for wanted in names if not any(wanted in {key.forget_name, key.endpoint} for key in known)]:
        listed = ", ".join(f"{key.host} ({key.endpoint})" for key in known) or "no host"
        print(
            f"sixstack: no host key of {printable(', '.join(unknown))} is recorded for cluster {name}; recorded are those of {listed}",
            file=sys.stderr,
        )
        return PROBLEMS
    for key in forget_keys(name, names):
        print(
            f"forgotten: {key.host} {key.endpoint} {key.fingerprint}, recorded on {key.recorded:%Y-%m-%d %H:%M} UTC; the next login records a new key"
        )
    return SUCCESS
