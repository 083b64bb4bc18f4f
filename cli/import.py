"""`sixstack import FILE...`: files of TKEStack, kubespray or k0sctl as a cluster file and SSH credential blocks."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli import cluster_argument
from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.programs import runnable
from cluster.vocabulary.cni_kinds import WITHOUT_FILES
from cluster.vocabulary.control_characters import printable

if TYPE_CHECKING:
    from cluster.vocabulary.families import Address
    from importers.choices import Choices
    from importers.imported import Imported
    from importers.logins import Login
    from importers.sources import Source


_INVENTORIES = (
    "hosts.yaml",
    "hosts.yml",
    "inventory.yaml",
    "inventory.yml",
    "inventory.ini",
    "hosts.ini",
    "hosts",
)  # of a kubespray folder


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `import`."""
    add = parser.add_argument
    add(
        "files",
        metavar="FILE",
        nargs="+",
        help="TKEStack's Cluster and Machine documents; a kubespray inventory (its folder, or files of it); or a k0sctl file. `-` for standard input",
    )
    add("--from", dest="tool", choices=("tkestack", "kubespray", "k0sctl"), help="the tool, if its files are not recognised")
    add("-o", "--to", metavar="FILE", help="write the cluster file to FILE instead of printing it")
    add("--output", choices=("text", "json"), default="text", help="text (default), or JSON with the result of every field")
    add("--name", metavar="ADDRESS=NAME", action="append", default=[], help="host name of the machine with this address; repeatable")
    add("--known-hosts", metavar="FILE", help="read host keys from an OpenSSH known_hosts file or from the output of ssh-keyscan")
    add(
        "--trust-on-first-use",
        action="store_true",
        help="for machines without a known host key: record the first key that the host presents, and refuse every other key later",
    )
    add("--cni", choices=WITHOUT_FILES, help="pod network (default: that of the files, else calico)")
    add(
        "--tkestack-labels",
        action="store_true",
        help="for TKEStack's documents: also set the node labels that TKEStack's tools use to find a node",
    )
    add("--no-blocks", action="store_true", help="save no SSH credential blocks; needs no Prefect server")
    add("--overwrite", action="store_true", help="replace an existing file and existing blocks with other content")


def run(args: argparse.Namespace) -> int:
    """Write the cluster file, save the logins; report every field that was changed or not taken over. 0 when `sixstack check` finds no errors."""
    from cluster.vocabulary.problems import errors_in
    from importers.formats import Format, import_files

    sources: list[Source] = []
    faults: list[str] = []
    for file in args.files:
        try:
            sources += _sources(file)
        except cluster_argument.Unreadable as error:
            faults.append(str(error))
    choices = _choices(args, faults)
    if faults:
        print("\n".join(f"sixstack: {printable(fault)}" for fault in faults), file=sys.stderr)
        return USAGE
    imported = import_files(sources, choices, tool=Format(args.tool) if args.tool else None)
    text = _cluster_file(imported, args.files) if imported.document is not None else ""
    if imported.document is not None and args.to is not None and (why := _write_file(text, Path(args.to), overwrite=args.overwrite)):
        print(f"sixstack: {why}", file=sys.stderr)
        return USAGE
    wanted = () if args.no_blocks or imported.document is None else imported.logins
    outcomes, fault = _save(wanted, overwrite=args.overwrite)
    if args.output == "json":
        print(json.dumps(_as_dict(imported, outcomes), indent=2))
    else:
        _print_report(imported, outcomes, args, text)
    if fault is not None:
        kept = f"The cluster file is written; {_logins(len(wanted) - len(outcomes))} not saved in a block yet"
        raise type(fault)(f"{fault}. {kept}: run this again when the server can be reached, or with --no-blocks")
    return PROBLEMS if errors_in(imported.problems) or "differs" in outcomes.values() else SUCCESS


def _choices(args: argparse.Namespace, faults: list[str]) -> Choices:
    """The choices of the options; what is wrong with them is added to `faults`."""
    from cluster.vocabulary.labels import parse_node_address
    from importers.choices import Choices

    names: dict[Address, str] = {}
    for text in args.name:
        address, equals, name = text.partition("=")
        if not equals or not name:
            faults.append(f"--name {text!r} is not ADDRESS=NAME")
            continue
        try:
            names[parse_node_address(address)] = name
        except ValueError:
            faults.append(f"--name {text!r}: {address!r} is not an IP address")
    known = ""
    if args.known_hosts is not None:
        try:
            known = cluster_argument.file_text(args.known_hosts)
        except cluster_argument.Unreadable as error:
            faults.append(f"--known-hosts {error}")
    return Choices(
        names=names,
        known_hosts=known,
        trust_on_first_use=args.trust_on_first_use,
        tkestack_labels=args.tkestack_labels,
        pod_network=args.cni,
    )


def _sources(file: str) -> list[Source]:
    """The text of a file; of the folder of a kubespray inventory, the inventory and all variable files. Unreadable when there is none."""
    from importers.sources import Source

    folder = Path(file)
    if file == "-" or not folder.is_dir():
        return [Source(file, cluster_argument.file_text(file))]
    inventories = [path for name in _INVENTORIES if (path := folder / name).is_file()]
    if not inventories:
        raise cluster_argument.Unreadable(f"the folder {file} has none of {', '.join(_INVENTORIES)}: pass the files of the inventory")
    variables = [
        path
        for part in ("group_vars", "host_vars")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file() and path.suffix in {".yml", ".yaml", ".json", ""}
    ]
    return [Source(str(path), cluster_argument.file_text(str(path))) for path in (*inventories[:1], *variables)]


def _cluster_file(imported: Imported, files: list[str]) -> str:
    """The document as YAML, with the changes as comments above it."""
    import yaml

    from importers.report import FieldOutcome

    lines_of_changes = [str(change) for change in imported.changes if change.outcome is not FieldOutcome.TAKEN]
    names = ", ".join("standard input" if file == "-" else Path(file).name for file in files)
    lines = [f"imported by sixstack from {names}", *lines_of_changes]
    comment = "".join(f"# {printable(line)}\n" for line in lines)
    return comment + str(yaml.safe_dump(imported.document, sort_keys=False, allow_unicode=True, width=200))


def _write_file(text: str, target: Path, *, overwrite: bool) -> str | None:
    """Write the file; returns the reason if it was not written."""
    try:
        if not overwrite and target.exists() and target.read_text(encoding="utf-8", errors="replace") != text:
            return f"{target} exists with other content; --overwrite replaces it"
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        return f"{target} cannot be written: {error.strerror}"
    return None


def _save(logins: tuple[Login, ...], *, overwrite: bool) -> tuple[dict[str, str], Exception | None]:
    """The result for each block by name, and the error if the server did not answer."""
    if not logins:
        return {}, None
    from blocks.saving import save
    from blocks.ssh_credential import SSHCredential
    from cli.required_server import require_server
    from cluster.vocabulary.errors import EnvironmentFault

    outcomes: dict[str, str] = {}
    try:
        require_server()
        for login in logins:
            block = SSHCredential.of(login.credential)
            outcomes[login.block] = save(block, login.block, overwrite=overwrite, secrets=login.credential.secrets).value
    except EnvironmentFault as fault:
        return outcomes, fault
    return outcomes, None


def _print_report(imported: Imported, outcomes: dict[str, str], args: argparse.Namespace, text: str) -> None:
    """The cluster file on standard output unless it went to a file; everything else on standard error."""
    from importers.report import FieldOutcome

    def print_line(line: str) -> None:
        print(line, file=sys.stderr)

    taken = sum(change.outcome is FieldOutcome.TAKEN for change in imported.changes)
    if imported.document is not None:
        print_line(f"{taken} field{'s' if taken != 1 else ''} taken over as they are")
        for change in imported.changes:
            if change.outcome is not FieldOutcome.TAKEN:
                print_line(str(change))
    if imported.problems:
        print_line(cluster_argument.problem_lines(imported.problems, imported.lines.get))
    if imported.document is None:
        count = len(imported.problems)
        print_line(f"{count} problem{'s' if count != 1 else ''}: nothing was written")
        return
    for login in imported.logins:
        outcome = outcomes.get(login.block, "not saved")
        hint = ": the block has another login; --overwrite replaces it" if outcome == "differs" else ""
        print_line(f"SSH credential block {login.block} (user {login.user}): {outcome}{hint}")
    if args.to is not None:
        print_line(runnable(f"cluster file written to {args.to}; next: sixstack check {args.to}"))
    else:
        print(text, end="")


def _as_dict(imported: Imported, outcomes: dict[str, str]) -> dict[str, Any]:
    """The JSON form; of a login only its block's name and its user."""
    blocks = [{"name": login.block, "user": login.user, "saved": outcomes.get(login.block, "not saved")} for login in imported.logins]
    return {
        "cluster": imported.document,
        "changes": [change.as_dict() for change in imported.changes],
        "problems": [problem.as_dict() for problem in imported.problems],
        "blocks": blocks,
    }


def _logins(count: int) -> str:
    return f"{count} login{'s are' if count != 1 else ' is'}"
