"""Questions on the terminal. Secrets are read without echo, or one a line from standard input when it is no terminal."""

from __future__ import annotations

import getpass
import sys


def is_terminal() -> bool:
    """Whether there is a person to ask."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: str, default: str = "") -> str:
    """The answer, or the default for an empty line; "" at the end of the input."""
    try:
        return input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default
    except EOFError:
        print()
        return ""


def confirm(question: str) -> bool:
    """Whether the answer is yes; no is the default."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except EOFError:
        print()
        return False


def ask_secret(what: str) -> str:
    """A secret, from the terminal or from the next line of standard input; "" when there is none."""
    if is_terminal():
        return getpass.getpass(f"{what}: ")
    return sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""
