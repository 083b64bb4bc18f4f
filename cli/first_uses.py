"""Prints the host keys that a session has recorded on first use. Only now can a person compare them before they are trusted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cluster.vocabulary.control_characters import printable

if TYPE_CHECKING:
    from hosts.session import Session


def print_first_uses(session: Session) -> None:
    """One line on standard error for each key."""
    for key in session.first_uses:
        print(printable(f"{session.host}: recorded the host key {key} on first use"), file=sys.stderr)
