"""Text of hosts, pods and API servers without the characters that act on a terminal or change the order of what is read."""

from __future__ import annotations

import re

# a colour or a movement of the cursor as a whole: without its first character, the rest would stay as text
_SEQUENCE = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]")
# C0 except tab and line feed, DEL, C1, and the overrides and isolates of the bidirectional algorithm
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def without_control(text: str) -> str:
    """`text` with `?` for each control character except tab and line feed. Colours are removed, and CR LF becomes LF.

    Call this before `redact`: a secret with a colour inside is found only without it.
    """
    return text if text.isprintable() else _CONTROL.sub("?", _SEQUENCE.sub("", text).replace("\r\n", "\n"))


def printable(text: str) -> str:
    """One line: every character that cannot be shown, a line feed too, becomes `?`."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)
