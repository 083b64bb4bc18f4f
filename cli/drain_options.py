"""The options of commands that drain nodes."""

from __future__ import annotations

import argparse

from cli.numbers import whole_number
from cluster.plan.drain import DRAIN_SECONDS
from cluster.vocabulary.parameters import MOST_SECONDS


def add_drain_options(parser: argparse.ArgumentParser, *, least: int, then: str) -> None:
    """--limit and --force. `then`: what becomes of a node that is not drained in time."""
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=whole_number(least, MOST_SECONDS),
        default=DRAIN_SECONDS,
        help=f"how long a node may take to drain; after that, {then} (default: {DRAIN_SECONDS})",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="delete pods without a controller, data in emptyDir volumes, and pods that a budget still protects at the end of --limit",
    )
