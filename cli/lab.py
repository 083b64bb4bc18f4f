"""`sixstack lab`: real Debian hosts on this machine, for experiments and tests."""

from __future__ import annotations

import argparse
import sys

from cli.exit_codes import PROBLEMS, SUCCESS, USAGE
from cli.programs import runnable
from cli.release import add_release
from cluster.vocabulary.cni_kinds import WITHOUT_FILES, CniKind
from cluster.vocabulary.families import Family, StackMode
from lab.base import SUITES


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the subcommands of `sixstack lab`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    summary = "build the artifact bundle from Go modules (once, takes minutes) and print its folder"
    bundle = actions.add_parser("bundle", help=summary, description=summary)
    add_release(bundle)
    up = _action(actions, "up", "boot the hosts; keeps running hosts, and repairs stopped or incomplete hosts")
    up.add_argument("--hosts", type=int, metavar="N", help="number of hosts (new lab: 3)")
    up.add_argument("--families", type=_families, metavar="F[,F]", help="address families of the hosts: ipv4,ipv6 (new lab), ipv4 or ipv6")
    up.add_argument(
        "--management",
        type=_families,
        metavar="F[,F]",
        help="families in which this machine has an address on the lab's bridge (new lab: both)",
    )
    up.add_argument("--debian", type=int, choices=sorted(SUITES), metavar="N", help="release of Debian: 12 (new lab) or 13")
    status = _action(actions, "status", "show the hosts: addresses, SSH host key, state")
    status.add_argument("--output", choices=("table", "json"), default="table")
    spec = _action(actions, "spec", "print a cluster file for the hosts")
    spec.add_argument("--stack", type=StackMode, choices=list(StackMode), required=True, metavar="{ipv4,dual-stack,ipv6}")
    spec.add_argument(
        "--primary",
        type=Family,
        choices=list(Family),
        default=Family.IPV4,
        metavar="{ipv4,ipv6}",
        help="the primary family in dual-stack",
    )
    spec.add_argument("--hosts", type=int, metavar="N", help="the first N hosts (default: all)")
    spec.add_argument("--cni", choices=WITHOUT_FILES, default=CniKind.FLANNEL.value)
    spec.add_argument(
        "--ssh",
        type=Family,
        choices=list(Family),
        metavar="{ipv4,ipv6}",
        help="address family of SSH (default: IPv4 if this machine has it)",
    )
    power_off = _action(actions, "power-off", "simulate a power failure of one host; `lab up` boots it again")
    power_off.add_argument("host", metavar="HOST")
    _action(actions, "down", "remove the hosts and everything that belongs to them")


def _action(actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=summary, description=summary)
    action.add_argument("--lab", metavar="NAME", default="demo", help="name of the lab (default: demo)")
    return action


def _families(text: str) -> tuple[Family, ...]:
    try:
        return tuple(Family(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of ipv4 and ipv6") from error


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand; the exit code."""
    from lab import state

    actions = {"bundle": _bundle, "up": _up, "status": _status, "spec": _spec, "power-off": _power_off, "down": _down}
    try:
        if args.action != "bundle":
            state.check_name(args.lab)
        return actions[args.action](args)
    except ValueError as error:  # an invalid name or number
        print(f"sixstack: {error}", file=sys.stderr)
        return USAGE


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _bundle(args: argparse.Namespace) -> int:
    from lab.build.bundle import build_bundle

    print(build_bundle(release=args.kubernetes))
    return SUCCESS


def _up(args: argparse.Namespace) -> int:
    from lab import hosts
    from lab.status import as_table

    found = hosts.up(args.lab, hosts=args.hosts, families=args.families, management=args.management, debian=args.debian, report=_say)
    print(as_table(hosts.lab_of(args.lab), found))
    return SUCCESS


def _status(args: argparse.Namespace) -> int:
    import json

    from lab import hosts
    from lab.status import as_data, as_table

    found = hosts.status(args.lab)
    if not found:
        print(runnable(f"sixstack: there is no lab {args.lab}: `sixstack lab up --lab {args.lab}` creates it"), file=sys.stderr)
        return PROBLEMS
    lab = hosts.lab_of(args.lab)
    print(json.dumps(as_data(lab, found), indent=2) if args.output == "json" else as_table(lab, found))
    return SUCCESS


def _spec(args: argparse.Namespace) -> int:
    from lab import hosts
    from lab.spec import cluster_document, cluster_file

    lab = hosts.lab_of(args.lab)
    document = cluster_document(lab, hosts.status(args.lab), args.stack, args.primary, cni=args.cni, count=args.hosts, ssh=args.ssh)
    print(cluster_file(document), end="")
    return SUCCESS


def _power_off(args: argparse.Namespace) -> int:
    from lab import hosts

    hosts.power_off(args.host, args.lab)
    return SUCCESS


def _down(args: argparse.Namespace) -> int:
    from lab import hosts

    hosts.down(args.lab, report=_say)
    return SUCCESS
