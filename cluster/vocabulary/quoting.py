"""Quote values of a cluster file for messages: short, on one line, without secrets."""

from __future__ import annotations

import re
from bisect import bisect
from itertools import accumulate

_LONGEST = 60
# user and password of a URL; `pause:3.10@sha256:...` is an image
_USER = re.compile(r"(?:(?<=://)[^/@\s]*|^[^/@\s:]+:[^/@\s]*)@(?!sha256:)")


def quoted(value: object) -> str:  # noqa: PLR0911 one per type
    """`value` in YAML notation: strings in quotes, lists and mappings without their content. Accepts every value."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # printing an int of more than 4300 digits is an error in Python
        return str(value) if abs(value) < 10**20 else "a number of more than 20 digits"
    if isinstance(value, float):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    return f"a value of type {type(value).__name__}"


def _text(value: str) -> str:
    if "PRIVATE KEY" in value:
        return "a private key"
    # a password in a URL, also without its scheme; before the text is cut, as the rest of a password is not recognised
    short = _USER.sub("...@", value)
    # an escape is up to ten characters long; none is cut
    escaped = [c if c.isprintable() and c != '"' else ascii(c)[1:-1] for c in short[: _LONGEST + 1]]
    ends = list(accumulate(map(len, escaped)))
    if ends and ends[-1] > _LONGEST:
        escaped = [*escaped[: bisect(ends, _LONGEST - 3)], "..."]
    return '"' + "".join(escaped) + '"'
