"""Names of blocks as arguments of subcommands."""

from __future__ import annotations

import argparse
import re

# as BlockName of cluster/vocabulary/spec.py, whose validator takes longer to build than a refusal may take
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def block_name(text: str) -> str:
    """The `type` of an argument that is the name of a block. Other names would be other addresses of the server."""
    if _NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a block: use up to 63 lower-case letters, digits and inner hyphens")
    return text
