"""Numbers as arguments of subcommands."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """The `type` of an argument that is a whole number in these limits; a usage error names them."""

    def number(text: str) -> int:
        # int() reads 1_000, other scripts' digits and blanks, and refuses more than 4300 digits with another error
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return number
