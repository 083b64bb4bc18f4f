"""Names that cluster files allow."""

from __future__ import annotations

import re

_LONGEST_NAME = 40


def valid_name(written: str) -> str:
    """The name of a cluster in the form of a cluster file."""
    name = re.sub(r"[^a-z0-9-]+", "-", written.lower())[:_LONGEST_NAME].strip("-")
    return name if name[:1].isalpha() else f"cluster-{name}"[:_LONGEST_NAME].rstrip("-")
