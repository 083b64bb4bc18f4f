"""Save blocks in the Prefect server of the current folder's prefect.toml: `python -m server.register_blocks`.

Reads one JSON object from standard input: {TYPE SLUG: {NAME: {FIELD: VALUE}}}.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from blocks.types import BLOCK_TYPES


def register(blocks: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Save each block; an existing block of its name is overwritten."""
    types = {kind.get_block_type_slug(): kind for kind in BLOCK_TYPES}
    for slug, named in blocks.items():
        for name, fields in named.items():
            types[slug](**fields).save(name, overwrite=True)


if __name__ == "__main__":
    register(json.load(sys.stdin))
