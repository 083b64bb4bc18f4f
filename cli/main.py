"""Entry of the `sixstack` command."""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from cli.exit_codes import ENVIRONMENT, PROBLEMS, SUCCESS, USAGE
from cli.output_errors import NO_SPACE, is_of_the_output
from cli.parser import Parser
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.nearest import nearest_name

# subcommand -> its one-line summary; its module is imported only when the subcommand is named
COMMANDS = {
    "check": "check a cluster file offline and list all problems",
    "init": "ask machines over SSH for their addresses and networks, and write a cluster file for them",
    "import": "convert TKEStack's documents, a kubespray inventory or a k0sctl file into a cluster file and SSH credential blocks",
    "credential": "save the login to machines as an SSH credential block, and test it from the worker's machine",
    "clusters": "list all known clusters: nodes, last run, last network check, next expiry, drift, last backup",
    "save": "check a cluster file and save it under the name of its cluster",
    "pin": "write the SSH host keys of a cluster's machines into its file, or forget recorded keys",
    "params": "print a cluster file as parameters for `prefect deployment run --params -`",
    "plan": "inspect the hosts and print the plan; changes nothing",
    "create": "run the create-cluster deployment and follow it; the exit code is its result",
    "upgrade": "run the upgrade-cluster deployment and follow it; the exit code is its result",
    "diff": "compare a cluster with its file: exit code 0 without drift, 1 with drift, 3 when a host could not be inspected",
    "verify": "check the network of a cluster, made by sixstack or not",
    "certificates": "show when each certificate of a cluster expires; the exit code is 1 when one is due",
    "renew": "renew the certificates of a cluster that expire soon, and give the API server the names of the file",
    "mark-test-hosts": "mark the machines of a cluster file as test hosts, which retests may use",
    "retest": "delete, create and verify saved clusters on their test hosts, now; the exit code is the result",
    "remove": "drain workers and remove them from a cluster; the exit code is the result",
    "delete": "run the delete-cluster deployment and follow it; the exit code is its result",
    "backup": "save an encrypted backup of a cluster; the exit code is the result of the run",
    "backups": "list the copies of a cluster's etcd and PKI",
    "schedule-backups": "create, list and remove schedules of the backup-cluster deployment",
    "restore": "rebuild a cluster from a copy of its etcd and PKI; the exit code is the result of the run",
    "backup-key": "make an age identity for copies of etcd and PKI, and save a Backup store block",
    "follow": "follow a run that was started elsewhere; the exit code is its result",
    "node": "print the name of the node that has an address",
    "kubeconfig": "print a cluster's kubeconfig, write it to a file, or save the kubeconfig of another cluster",
    "kubectl": "run kubectl through the control plane's SSH connection",
    "audit": "show the audit records of a run or of a cluster",
    "retests": "show the history of scheduled retests: results and durations, night by night",
    "schedule-retests": "create, list and remove schedules of the retest-clusters deployment",
    "schedule-certificates": "create, list and remove schedules of the check-certificates deployment",
    "notify": "notify a webhook of failed retests and runs, drift, and certificates that expire",
    "setup": "set up a Prefect server with a worker, blocks, deployments and the bundle; safe to run again",
    "server": "start, stop, show and remove the Prefect server and the worker of `sixstack setup`",
    "prefect-settings": "write the settings of a Prefect server of your own, with a generated password",
    "bundle": "fetch, verify, register and show artifact bundles, and list their components",
    "completion": "print a script that completes commands, options and names in bash, zsh or fish",
    "lab": "boot real hosts on this machine, for experiments and tests",
    "demo": "create a verified cluster on new lab hosts (`make demo` runs this)",
}

# they read the folder themselves, have a server of their own, or start processes that must not get a password
_OWN_SERVER = {"setup", "server", "prefect-settings", "demo", "lab"}

EXIT_CODES = (
    "Exit codes: 0 success; 1 problems were found, or the run failed; 2 wrong usage, or a file that cannot be read; "
    "3 no server, block or tool, or a host that could not be inspected; 4 damaged audit records (`audit --verify`)."
)

# what the owner of a file can change; every other one is a bug
_OF_A_FILE = (
    *(errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.EBUSY, errno.ETXTBSY),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code of cli/exit_codes.py."""
    gc.set_threshold(50_000)  # importing creates objects that stay: looking through them again and again took 15 % of a short command
    _print_every_character()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _command(arguments)
        finally:
            if sys.stdout is not None:
                # here and not when Python exits, which ignores the error
                sys.stdout.flush()
    except BrokenPipeError:
        # the reader of the output has exited (`sixstack audit demo | head`); discard the rest of the buffer
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        # what is left in the buffer has no place either; standard error may be the full one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        with contextlib.suppress(OSError):
            print(f"sixstack: the output cannot be written: {error.strerror}", file=sys.stderr, flush=True)
        return ENVIRONMENT


def _command(arguments: list[str]) -> int:
    """Run the subcommand of these words."""
    named = next((word for word in arguments if not word.startswith("-")), None)
    parser = Parser(prog="sixstack", description="Kubernetes clusters with the address families that you choose.", epilog=EXIT_CODES)
    parser.add_argument("--version", action="store_true", help="print the version, with the commit of a checkout")
    if arguments == ["--version"]:
        from cli.version import version_text

        print(version_text())
        return SUCCESS
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module = None
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name == named:
            module = importlib.import_module(module_of(name))
            module.configure(subparser)
    if not arguments:
        parser.print_help(sys.stderr)
        return USAGE
    if named is not None and named not in COMMANDS and (near := nearest_name(named, COMMANDS)) is not None:
        parser.error(f"there is no command {named!r}; did you mean {near}?")
    options = parser.parse_args(arguments)
    assert module is not None  # argparse has ended the program for every other name
    if named not in _OWN_SERVER:
        from server.pointer import use_pointed_server

        use_pointed_server()
    command, as_json = module, getattr(options, "output", None) == "json"
    if not as_json:
        return _run(command, options, as_json=False)
    from cli.json_output import with_json_errors

    return with_json_errors(lambda: _run(command, options, as_json=True))


def _run(module: ModuleType, options: argparse.Namespace, *, as_json: bool) -> int:
    """The exit code of the subcommand, or of its error, which is printed."""
    try:
        return int(module.run(options))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        if is_of_the_output(error):
            raise
        if error.errno not in (*_OF_A_FILE, *NO_SPACE) or error.filename is None:
            return _print_error(error, as_json=as_json)
        print(f"sixstack: {printable(repr(os.fsdecode(error.filename)))}: {error.strerror}", file=sys.stderr)
        return ENVIRONMENT if error.errno in NO_SPACE else USAGE
    except Exception as error:
        return _print_error(error, as_json=as_json)


def _print_every_character() -> None:
    """Escape what the encoding of the terminal does not have, such as the bytes of a file name that are not UTF-8, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def module_of(name: str) -> str:
    """The module of a subcommand: cli/schedule_retests.py for schedule-retests."""
    return f"cli.{name.replace('-', '_')}"


def _print_error(error: Exception, *, as_json: bool) -> int:
    """Print one of the project's errors and return its exit code; any other exception is a bug, or Prefect's for settings that it cannot read."""
    from cluster.vocabulary.errors import EnvironmentFault, SixstackError, SpecError

    if not isinstance(error, SixstackError):
        from server.pointer import fault_of_settings

        if (fault := fault_of_settings()) is None:
            raise error
        error = EnvironmentFault(fault)
    from cli.programs import runnable

    print(runnable(f"sixstack: {error}"), file=sys.stderr)
    if as_json:
        from cli.json_output import print_error

        print_error(str(error), [problem.as_dict() for problem in getattr(error, "problems", ())])
    if isinstance(error, SpecError):
        return PROBLEMS
    return ENVIRONMENT if isinstance(error, EnvironmentFault) else PROBLEMS
