"""`sixstack init`: ask machines over SSH for their addresses and networks, and write a cluster file for them. Needs no Prefect server."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cli.block_names import block_name
from cli.cluster_argument import Unreadable, file_text, problem_lines
from cli.columns import print_columns
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.paths import from_home
from cli.programs import runnable
from cli.terminal_questions import ask, ask_secret, confirm, is_terminal
from cluster.vocabulary.cni_kinds import WITHOUT_FILES, CniKind
from cluster.vocabulary.control_characters import printable
from cluster.vocabulary.families import Family, StackMode

if TYPE_CHECKING:
    from cluster.facts.host_facts import HostFacts
    from cluster.file.proposal import Choices, Machine, Proposal
    from cluster.vocabulary.credentials import Credential
    from cluster.vocabulary.spec import SSH

T = TypeVar("T")

_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")  # in ~/.ssh
_AT_ONCE = 16
_EXAMPLES = """\
examples:
  sixstack init                                   # asks for everything
  sixstack init demo.yaml --hosts 192.0.2.11 192.0.2.12 --stack dual-stack
  sixstack init --name demo --hosts ops@192.0.2.11:2222 ops@[2001:db8::12]:2222 --stack ipv6 --primary-family ipv6 --accept-host-keys

The first machine becomes the control plane, the others become workers. Questions are asked on a terminal only; without one, all missing
answers are listed at once. Nothing is changed on the machines.

exit codes: 0 when the file is written and nothing hinders `sixstack create`; 1 when a machine or its host key is refused, or when the file is
written and problems of the machines are listed; 2 when an answer is missing or wrong.
"""


class _Wrong(Exception):
    """Answers that are missing or wrong, one a line."""


@dataclass(frozen=True, slots=True)
class _Login:
    """How to log in, and the option with which `sixstack credential add` saves the same login."""

    credential: Credential
    option: str


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `init`."""
    parser.epilog = _EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("file", metavar="FILE", nargs="?", type=from_home, help="cluster file to write (default: NAME.yaml)")
    add("--name", help="name of the cluster (default: the name of FILE without its ending)")
    add(
        "--hosts",
        metavar="HOST",
        nargs="+",
        action="extend",
        default=[],
        help="[USER@]ADDRESS[:PORT] of each machine's sshd, the control plane first",
    )
    add("--user", help="user of the machines without USER@ (default: root)")
    add("--stack", choices=[str(mode) for mode in StackMode], help="address families of nodes, pods and services")
    add("--primary-family", choices=[str(family) for family in Family], help="of a dual-stack cluster (default: ipv4)")
    add("--pod-network", choices=WITHOUT_FILES, help="pod network plug-in (default: flannel)")
    add(
        "--credential",
        metavar="BLOCK",
        type=block_name,
        default="default",
        help="name of the SSH credential block that the file names (default: default)",
    )
    login = parser.add_mutually_exclusive_group()
    login.add_argument(
        "--key",
        metavar="KEY",
        type=from_home,
        help="private key to log in with now (default: the SSH agent of $SSH_AUTH_SOCK, else a key in ~/.ssh)",
    )
    login.add_argument("--ssh-agent", metavar="SOCKET", type=from_home, help="socket of an SSH agent to log in with now")
    add("--sudo-password", action="store_true", help="ask for the password for sudo; without a terminal, read a line of standard input")
    add("--known-hosts", metavar="KEYS", type=from_home, help="OpenSSH file of known host keys (default: ~/.ssh/known_hosts)")
    add("--accept-host-keys", action="store_true", help="accept the host keys that are not in the file of known keys without a question")
    add("--force", action="store_true", help="replace an existing file")


def run(options: argparse.Namespace) -> int:
    """Write the file, or say everything that hinders it."""
    from cluster.file.proposal import propose

    faults: list[str] = []

    def read(answers: Callable[[], T]) -> T | None:
        try:
            return answers()
        except (_Wrong, Unreadable) as wrong:
            faults.extend(str(wrong).splitlines())
            return None

    endpoints = read(lambda: _endpoints(options))
    target = read(lambda: _target(options)) if options.name or options.file else None
    known_hosts = read(lambda: _known_hosts(options.known_hosts))
    login = read(lambda: _login(options, may_ask=not faults))
    if faults or endpoints is None or target is None or known_hosts is None or login is None:
        print("\n".join(f"sixstack: {printable(fault)}" for fault in faults), file=sys.stderr)
        return USAGE
    pinned = _with_accepted_keys(endpoints, known_hosts, accept=options.accept_host_keys)
    if pinned is None:
        return PROBLEMS
    machines = _inspected(pinned, login.credential)
    if machines is None:
        return PROBLEMS
    try:
        choices = _choices(options, machines)
    except _Wrong as wrong:
        print(f"sixstack: {wrong}", file=sys.stderr)
        return USAGE
    proposal = propose(machines, choices, iter(lambda: secrets.token_bytes(5), b""))
    if why := _write(target, proposal.text, force=options.force):
        print(f"sixstack: {why}", file=sys.stderr)
        return USAGE
    return _report(target, proposal, options, login)


def _endpoints(options: argparse.Namespace) -> list[SSH]:
    """The endpoints of the answers, without host keys. _Wrong lists everything that is missing or wrong."""
    from cluster.vocabulary.hostport import canonical_host, join_host_port

    wrong = []
    hosts = list(options.hosts)
    if is_terminal():
        while not hosts:
            hosts = ask("Machines as [USER@]ADDRESS[:PORT], the control plane first").replace(",", " ").split()
            if not hosts:
                wrong.append("no machine is given")
                break
        if options.user is None and not all("@" in host for host in hosts):
            options.user = ask("User for SSH", "root")
        if options.name is None and options.file is None:
            options.name = ask("Name of the cluster", "demo")
    else:
        missing = [("--hosts", hosts), ("--stack", options.stack), ("--name, or FILE", options.name or options.file)]
        wrong += [f"there is no terminal to ask: add {name}" for name, value in missing if not value]
    found = []
    for host in hosts:
        try:
            found.append(_endpoint(host, options.user or "root", options.credential))
        except ValueError as error:
            wrong.append(f"--hosts {host!r}: {error}")
    endpoints = [join_host_port(canonical_host(one.address), one.port) for one in found]
    wrong += [f"--hosts: {endpoint} is there twice" for endpoint in dict.fromkeys(endpoints) if endpoints.count(endpoint) > 1]
    if wrong:
        raise _Wrong("\n".join(wrong))
    return found


def _known_hosts(given: str | None) -> tuple[Path, str]:
    """The file of known host keys and its text. _Wrong when the one of the option cannot be read; the own one may be missing."""
    if given is not None:
        try:
            return Path(given), file_text(given)
        except Unreadable as error:
            raise _Wrong(f"--known-hosts {error}") from None
    own = Path(os.path.expanduser("~/.ssh/known_hosts"))
    return own, file_text(str(own)) if own.is_file() else ""


def _endpoint(text: str, user: str, credential: str) -> SSH:
    """[USER@]ADDRESS[:PORT]; ValueError for anything else."""
    from cluster.rules.names import is_address, is_host_name
    from cluster.vocabulary.hostport import split_host_port
    from cluster.vocabulary.spec import SSH

    own, at, rest = text.rpartition("@")
    address, port = split_host_port(rest, 22)
    if not is_address(address) and not is_host_name(address.lower()):
        raise ValueError(f"{address!r} is neither an IP address nor a DNS name")
    if at and not own:
        raise ValueError("the user before @ is missing")
    return SSH(address=address, port=port, user=own or user, credential=credential)


def _target(options: argparse.Namespace) -> Path:
    """The file to write. _Wrong when it exists or has no folder, or when the name of the cluster is none."""
    from cluster.rules.names import may_name_a_cluster

    name, wrong = options.name or Path(options.file).stem, []
    if not may_name_a_cluster(name):
        wrong.append(
            f"{name!r} cannot name a cluster: use lower-case letters, digits and inner hyphens, beginning with a letter, or give --name"
        )
    options.name = name
    target = Path(options.file or f"{name}.yaml")
    if os.path.isdir(target):
        wrong.append(f"{target} is a folder: name a file")
    elif os.path.lexists(target) and not options.force:
        wrong.append(f"{target} exists; --force replaces it")
    if not os.path.isdir(target.absolute().parent):
        wrong.append(f"the folder {target.absolute().parent} does not exist")
    if wrong:
        raise _Wrong("\n".join(wrong))
    return target


def _login(options: argparse.Namespace, *, may_ask: bool) -> _Login | None:
    """What to log in with now: the key or agent of the options, else the user's own. Without a question, only whether there is a key."""
    from cli.credential import read_key
    from cluster.vocabulary.credentials import Credential

    sudo = (ask_secret("Password for sudo") or None) if options.sudo_password and may_ask else None
    if options.ssh_agent is not None:
        socket = os.path.abspath(options.ssh_agent)
        return _Login(Credential(agent_socket=socket, sudo_password=sudo), f"--ssh-agent {socket}")
    if options.key is None and (socket := os.environ.get("SSH_AUTH_SOCK", "")) and _has_keys(socket):
        return _Login(Credential(agent_socket=socket, sudo_password=sudo), f"--ssh-agent {socket}")
    own = (path for name in _KEYS if (path := Path(os.path.expanduser(f"~/.ssh/{name}"))).is_file())
    key = options.key or next(map(str, own), None)
    if key is None:
        raise _Wrong("there is no SSH agent with a key ($SSH_AUTH_SOCK) and no key in ~/.ssh: add --key KEY or --ssh-agent SOCKET")
    try:
        if not may_ask:
            file_text(key)
            return None
        text, passphrase = read_key(key)
    except Unreadable as error:
        raise _Wrong(f"--key {error}") from None
    except ValueError as error:
        raise _Wrong(str(error)) from None
    return _Login(Credential(private_key=text, passphrase=passphrase, sudo_password=sudo), f"--key {key}")


def _has_keys(socket: str) -> bool:
    from hosts.ssh_agent import UnusableAgent, agent_keys

    try:
        with agent_keys(socket):
            return True
    except UnusableAgent:
        return False


def _with_accepted_keys(endpoints: Sequence[SSH], known_hosts: tuple[Path, str], *, accept: bool) -> list[tuple[SSH, bool]] | None:
    """Each endpoint with its host key, and whether the key was known. None when a machine does not answer, has another key, or a person says no."""
    from cluster.vocabulary.host_keys import fingerprint
    from cluster.vocabulary.hostport import join_host_port

    file, text = known_hosts
    found = _at_once(endpoints, lambda ssh: _presented_key(ssh, text, file))
    if found is None:
        return None
    words = {
        True: f"known: it is in {file}",
        False: "new: compare it with `ssh-keygen -lf` of the key in /etc/ssh on the machine's console",
    }
    rows = zip(endpoints, found, strict=True)
    print_columns([(join_host_port(ssh.address, ssh.port), fingerprint(key), words[known]) for ssh, (key, known) in rows])
    new = sum(not known for _, known in found)
    if new and not accept:
        keys = "this new key" if new == 1 else f"these {new} new keys"
        if not is_terminal():
            print(
                f"sixstack: there is no terminal to confirm {keys}: compare the fingerprints, then add --accept-host-keys", file=sys.stderr
            )
            return None
        if not confirm(f"Accept {keys}?"):
            print("sixstack: not accepted: no file is written", file=sys.stderr)
            return None
    return [(ssh.model_copy(update={"host_key": key}), known) for ssh, (key, known) in zip(endpoints, found, strict=True)]


def _presented_key(ssh: SSH, known_hosts: str, file: Path) -> tuple[str, bool]:
    """The key that a machine presents, and whether known_hosts has it. HostKeyMismatch when known_hosts has another one."""
    import shlex

    from cluster.file.known_hosts import known_host_keys
    from cluster.vocabulary.errors import HostKeyMismatch
    from cluster.vocabulary.host_keys import TRUST_ON_FIRST_USE, fingerprint

    def read(pin: str) -> str:
        return _read_host_key(ssh.model_copy(update={"host_key": pin}))

    known = known_host_keys(known_hosts, ssh.address, ssh.port)
    if not known:
        return read(TRUST_ON_FIRST_USE), False
    try:
        return read("\n".join(known)), True
    except HostKeyMismatch:
        presented = read(TRUST_ON_FIRST_USE)
    name = ssh.address if ssh.port == 22 else f"[{ssh.address}]:{ssh.port}"
    raise HostKeyMismatch(
        ssh.address,
        f"the machine presents the host key {fingerprint(presented)}; {file} has {' and '.join(map(fingerprint, known))}",
        "It may be another machine. If it was reinstalled, compare the presented key with the machine's console, remove the old key "
        f"(ssh-keygen -R {shlex.quote(name)}), and run this again, or put this line into {file}: {name} {presented}",
    )


def _read_host_key(ssh: SSH) -> str:
    from hosts.host_keys import Sshd
    from hosts.transport import read_host_key

    return read_host_key(Sshd(ssh.address, ssh.address, ssh), _no_credential)


def _no_credential(name: str) -> Credential:
    raise AssertionError(f"no login is needed to read a host key ({name})")


def _inspected(pinned: Sequence[tuple[SSH, bool]], credential: Credential) -> list[Machine] | None:
    """Every machine with its facts; None when one cannot be inspected."""
    from cluster.file.proposal import Machine

    print(f"inspecting {len(pinned)} machine{'s' if len(pinned) > 1 else ''} ...", file=sys.stderr, flush=True)
    facts = _at_once([ssh for ssh, _ in pinned], lambda ssh: _facts(ssh, credential))
    return None if facts is None else [Machine(ssh, found, known) for (ssh, known), found in zip(pinned, facts, strict=True)]


def _facts(ssh: SSH, credential: Credential) -> HostFacts:
    from cluster.vocabulary.spec import Host, Role
    from hosts.facts import gather
    from hosts.session import Session

    session = Session.open(ssh.address, ssh, lambda _name: credential)
    try:
        return gather(session, Host(name=ssh.address, role=Role.WORKER, ssh=ssh))
    finally:
        session.close()


def _at_once(endpoints: Sequence[SSH], work: Callable[[SSH], T]) -> list[T] | None:
    """The result for each endpoint; None after the errors of all of them are printed."""
    from cluster.vocabulary.errors import SixstackError

    def attempt(ssh: SSH) -> T | SixstackError:
        try:
            return work(ssh)
        except SixstackError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = list(pool.map(attempt, endpoints))
    for error in results:
        if isinstance(error, SixstackError):
            print(f"sixstack: {printable(str(error))}", file=sys.stderr)
    done = [result for result in results if not isinstance(result, SixstackError)]
    return done if len(done) == len(results) else None


def _choices(options: argparse.Namespace, machines: Sequence[Machine]) -> Choices:
    """What the answers say about the cluster; the stack mode is asked for once the families of the machines are known."""
    from cluster.file.proposal import Choices, families_of_machines
    from cluster.vocabulary.families import family_names

    stack, primary, pod_network = options.stack, options.primary_family, options.pod_network
    if is_terminal():
        families = families_of_machines(machines)
        proposed = StackMode.DUAL_STACK if len(families) != 1 else StackMode(families[0].value)
        if stack is None:
            print(f"All machines have {family_names(families) or 'no common family of'} addresses.")
            stack = _one_of("Stack mode", [str(mode) for mode in StackMode], str(proposed))
        if stack == StackMode.DUAL_STACK and primary is None:
            primary = _one_of("Primary family", [str(family) for family in Family], str(Family.IPV4))
        if pod_network is None:
            pod_network = _one_of("Pod network", WITHOUT_FILES, WITHOUT_FILES[0])
    return Choices(options.name, StackMode(stack), Family(primary or Family.IPV4), CniKind(pod_network or WITHOUT_FILES[0]))


def _one_of(question: str, allowed: Sequence[str], default: str) -> str:
    """An allowed answer; other answers are asked again, with the nearest allowed one."""
    from cluster.vocabulary.nearest import nearest_name

    while (answer := ask(f"{question} ({', '.join(allowed)})", default)) not in allowed:
        if not answer:
            raise _Wrong(f"there is no answer to {question!r}")
        near = nearest_name(answer, allowed)
        print(f"{printable(answer)} is not one of them.{f' Did you mean {near}?' if near else ''}")
    return answer


def _write(target: Path, text: str, *, force: bool) -> str | None:
    """Write the file; returns the reason if it was not written."""
    try:
        with target.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return f"{target} exists; --force replaces it"
    except OSError as error:
        return f"{target} cannot be written: {error.strerror}"
    return None


def _report(target: Path, proposal: Proposal, options: argparse.Namespace, login: _Login) -> int:
    """Print what was found, and the next commands."""
    from cluster.vocabulary.problems import errors_in

    problems = (*proposal.in_file, *proposal.on_hosts)
    if proposal.in_file:
        print(problem_lines(proposal.in_file, proposal.line), file=sys.stderr)
    if proposal.on_hosts:
        print(problem_lines(proposal.on_hosts), file=sys.stderr)
    print(runnable("\n".join(_next(target, options, login))))
    if errors := errors_in(problems):
        print(f"sixstack: {len(errors)} problem{'s' if len(errors) > 1 else ''} to solve before `sixstack create`", file=sys.stderr)
        return PROBLEMS
    return SUCCESS


def _next(target: Path, options: argparse.Namespace, login: _Login) -> Iterator[str]:
    path = str(target) if "/" in str(target) or target.suffix in {".yaml", ".yml", ".json"} else f"./{target}"
    sudo = " --sudo-password" if options.sudo_password else ""
    yield f"{target} is written."
    yield f"Next, unless the SSH credential block `{options.credential}` exists: sixstack credential add {options.credential} {login.option}{sudo}"
    yield f"Then: sixstack plan {path}"
