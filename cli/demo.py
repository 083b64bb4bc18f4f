"""`sixstack demo`: create a verified cluster on new lab hosts, and remove it (`make demo`, `make clean-demo`).

With `--case` it runs a user case of the IPv6 proposal instead, step by step (`make case-1`, `make case-2`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cluster.vocabulary.families import Family, StackMode


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the subcommand."""
    parser.add_argument("--stack", type=StackMode, choices=list(StackMode), default=StackMode.DUAL_STACK, metavar="{ipv4,dual-stack,ipv6}")
    parser.add_argument("--primary", type=Family, choices=list(Family), default=Family.IPV4, metavar="{ipv4,ipv6}")
    parser.add_argument("--case", type=int, choices=(1, 2), help="run this user case of the IPv6 proposal instead, on three separate hosts")
    parser.add_argument("--clean", action="store_true", help="remove the demo's clusters, hosts, server and worker")


def run(options: argparse.Namespace) -> int:
    """Exit code of the create run."""
    from demo import demo
    from demo.local_prefect import LocalPrefect

    prefect = LocalPrefect(Path.cwd())
    if options.clean:
        return demo.clean(prefect)
    return demo.run_case(prefect, options.case) if options.case else demo.run_demo(prefect, options.stack, options.primary)
