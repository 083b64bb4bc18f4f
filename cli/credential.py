"""`sixstack credential`: save the login to machines as an SSH credential block, and test it from the worker's machine."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.block_names import block_name
from cli.cluster_argument import Unreadable, as_parameter, file_text, read_spec
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.following import Waiting, add_waiting, run_deployment, waiting
from cli.paths import from_home
from cli.programs import runnable
from cluster.vocabulary.control_characters import printable

if TYPE_CHECKING:
    from cluster.vocabulary.credentials import Credential

_EXAMPLES = """\
examples:
  sixstack credential add default --key ~/.ssh/id_ed25519
  sixstack credential add default --ssh-agent "$SSH_AUTH_SOCK"   # the worker must reach this socket whenever it logs in
  sixstack credential add ops --key ops.key --sudo-password      # asks for it; without a terminal, reads a line of standard input
  sixstack credential test default                               # hosts of all saved clusters that use the block
  sixstack credential test ops --cluster my.yaml

Secrets are asked for, and never on the command line. Without a terminal, they are lines of standard input in this order: passphrase of an
encrypted key, password, sudo password.
"""

_PUBLIC_KEY = re.compile(r"\s*[a-z0-9@.-]+ +[A-Za-z0-9+/]{16,}={0,3}(\s|\Z)")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    summary = "save a private key, an SSH agent or a password as an SSH credential block"
    add = actions.add_parser("add", help=summary, description=summary)
    add.add_argument("name", metavar="NAME", type=block_name, help="name of the block, as in `hosts[].ssh.credential` of cluster files")
    source = add.add_mutually_exclusive_group()
    source.add_argument("--key", metavar="FILE", type=from_home, help="private key; if it is encrypted, its passphrase is asked for")
    source.add_argument(
        "--ssh-agent", metavar="SOCKET", type=from_home, help="socket of an SSH agent on the worker's machine, which signs each login"
    )
    add.add_argument(
        "--agent-key",
        metavar="FILE",
        type=from_home,
        help="with --ssh-agent: public key of the agent's key to use (default: each of its keys)",
    )
    add.add_argument("--password", action="store_true", help="ask for the password of the user")
    add.add_argument(
        "--sudo-password", action="store_true", help="ask for the password for sudo, if it is another one than that of the user"
    )
    add.add_argument("--overwrite", action="store_true", help="replace an existing block with another login")

    summary = "log in to hosts from the worker's machine, through the deployment test-connection; the exit code is its result"
    test = actions.add_parser("test", help=summary, description=summary)
    test.add_argument("name", metavar="NAME", type=block_name, help="name of the SSH credential block")
    test.add_argument(
        "--cluster",
        metavar="CLUSTER",
        help="name of a saved cluster, or a cluster file (default: each saved cluster with a host that uses the block)",
    )
    add_waiting(test, detach=False)


def run(options: argparse.Namespace) -> int:
    """The exit code of the action."""
    if options.action == "add" and (faults := list(_option_faults(options))):
        print("\n".join(f"sixstack: {printable(fault)}" for fault in faults), file=sys.stderr)
        return USAGE
    return _add(options) if options.action == "add" else _test(options.name, options.cluster, waiting(options))


def _option_faults(options: argparse.Namespace) -> Iterator[str]:
    """What is wrong with the options, before a secret is asked for."""
    if options.key is None and options.ssh_agent is None and not options.password:
        yield "the login has neither a private key, nor an SSH agent, nor a password: give --key FILE, --ssh-agent SOCKET or --password"
    if options.agent_key is not None and options.ssh_agent is None:
        yield f"--agent-key {options.agent_key} needs --ssh-agent SOCKET"
    for option, file in (("--key", options.key), ("--agent-key", options.agent_key)):
        if file is None:
            continue
        try:
            text = file_text(file)
        except Unreadable as error:
            yield f"{option} {error}"
        else:
            if option == "--key":
                yield from _key_faults(file, text)
            elif _PUBLIC_KEY.match(text) is None:
                yield f"--agent-key {file} has no public key: name the .pub file, whose line begins with a type such as ssh-ed25519"


def _key_faults(file: str, text: str) -> Iterator[str]:
    from hosts.private_keys import EncryptedKey, UnusableKey, read_private_key

    try:
        read_private_key(text, None)
    except EncryptedKey:  # its passphrase is asked for when everything else is right
        return
    except UnusableKey as error:
        yield f"--key {file} cannot be used: {error}"


def _add(options: argparse.Namespace) -> int:
    from cli.required_server import require_server

    try:
        credential = _credential(options)
    except (Unreadable, ValueError) as error:
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE
    if faults := list(credential.faults):
        print(f"sixstack: the login is incomplete: {'; '.join(faults)}: give --key, --ssh-agent or --password", file=sys.stderr)
        return USAGE
    require_server()
    from blocks.saving import Saved, save
    from blocks.ssh_credential import SSHCredential

    outcome = save(SSHCredential.of(credential), options.name, overwrite=options.overwrite, secrets=credential.secrets)
    if outcome is Saved.DIFFERS:
        print(
            f"sixstack: the SSH credential block `{options.name}` has another login and was kept; --overwrite replaces it", file=sys.stderr
        )
        return PROBLEMS
    print(runnable(f"ssh-credential/{options.name}: {outcome}. Next: sixstack init, or sixstack credential test {options.name}"))
    return SUCCESS


def _credential(options: argparse.Namespace) -> Credential:
    """The login of the options. Unreadable or ValueError when it cannot be used."""
    from cli.terminal_questions import ask_secret
    from cluster.vocabulary.credentials import Credential

    key, passphrase = read_key(options.key) if options.key is not None else (None, None)
    agent_key = " ".join(file_text(options.agent_key).split()[:2]) if options.agent_key is not None else None
    socket = os.path.abspath(options.ssh_agent) if options.ssh_agent is not None else None
    if socket is not None:
        print(_look_at_agent(socket, agent_key), file=sys.stderr)
    return Credential(
        private_key=key,
        passphrase=passphrase,
        agent_socket=socket,
        agent_key=agent_key,
        password=(ask_secret("Password of the user") or None) if options.password else None,
        sudo_password=(ask_secret("Password for sudo") or None) if options.sudo_password else None,
    )


def read_key(file: str) -> tuple[str, str | None]:
    """The text of a private key and its passphrase, which is asked for. Unreadable or ValueError when it cannot be used."""
    from cli.terminal_questions import ask_secret
    from hosts.private_keys import EncryptedKey, UnusableKey, read_private_key

    text, passphrase = file_text(file), None
    try:
        try:
            read_private_key(text, None)
        except EncryptedKey:
            passphrase = ask_secret(f"Passphrase of {file}") or None
            read_private_key(text, passphrase)
    except UnusableKey as error:
        raise ValueError(f"{file} cannot be used: {error}") from None
    return text, passphrase


def _look_at_agent(socket: str, only: str | None) -> str:
    """What the agent has, as far as this machine reaches it."""
    from hosts.host_keys import described
    from hosts.ssh_agent import UnusableAgent, agent_keys

    try:
        with agent_keys(socket, only) as keys:
            return f"the SSH agent at {socket} has {', '.join(map(described, keys))}; the worker must reach this socket whenever it logs in"
    except UnusableAgent as error:
        return f"warning: {error}. The block is saved all the same, because the worker may run on another machine"


def _test(name: str, cluster: str | None, wait: Waiting) -> int:
    from cli.required_server import require_server
    from cluster.vocabulary.errors import EnvironmentFault

    if cluster is not None:
        spec = read_spec(cluster, manifests=False)
        if isinstance(spec, int):
            return spec
        return run_deployment("test-connection/default", {"cluster": as_parameter(cluster, spec), "credential": name}, wait)
    require_server()
    users = _clusters_with(name)
    if not users:
        raise EnvironmentFault(
            f"no saved cluster has a host that uses the SSH credential block `{name}`. To test it on the hosts of a file: sixstack credential test {name} --cluster FILE"
        )
    return max(run_deployment("test-connection/default", {"cluster": user, "credential": name}, wait) for user in users)


def _clusters_with(name: str) -> list[str]:
    """The saved clusters with a host that uses the block; one whose file has errors is left out."""
    from blocks.loading import names_of
    from blocks.saved_cluster import SavedCluster
    from cluster.rules.ssh import hosts_with_credential
    from runs.given_cluster import saved_cluster

    specs = ((cluster, saved_cluster(cluster).read().spec) for cluster in names_of(SavedCluster))
    return [cluster for cluster, spec in specs if spec is not None and hosts_with_credential(spec, name)]
