"""Programs of this installation, as a person can call them."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path


def prefect() -> str:
    """`prefect`, or its path where the PATH has another one or none."""
    return _called("prefect")


def runnable(text: str) -> str:
    """A text for people whose commands of sixstack can be pasted: with the path of the program where the PATH has another one or none."""
    called = _called("sixstack")
    return text if called == "sixstack" else _commands().sub(lambda _: called, text)


@cache
def _commands() -> re.Pattern[str]:
    """The program before one of its commands; in `files of sixstack` the word is a name."""
    from cli.main import COMMANDS

    return re.compile(rf"(?<![\w./-])sixstack(?= (?:{'|'.join(COMMANDS)})\b)")


def _called(name: str) -> str:
    """A virtual environment need not be activated."""
    import shlex
    import shutil

    own = Path(sys.executable).with_name(name)
    found = shutil.which(name)
    return name if not own.exists() or (found is not None and Path(found).resolve() == own.resolve()) else shlex.quote(str(own))
