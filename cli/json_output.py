"""What a program that reads `--output json` gets from a command that has nothing to report: one JSON object with the error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast


class _Watched:
    """A stream, and what was written to it."""

    def __init__(self, stream: TextIO, *, keeps_text: bool) -> None:
        self._stream, self._keeps_text = stream, keeps_text
        self.is_used, self.texts = False, list[str]()

    def write(self, text: str) -> int:
        """Write, and remember it."""
        self.is_used = True
        if self._keeps_text:
            self.texts.append(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def with_json_errors(run: Callable[[], int]) -> int:
    """The exit code of `run`. When it fails and prints nothing on standard output, that gets what was printed on standard error."""
    if sys.stdout is None or sys.stderr is None:
        return run()
    out, err = _Watched(sys.stdout, keeps_text=False), _Watched(sys.stderr, keeps_text=True)
    with redirect_stdout(cast("TextIO", out)), redirect_stderr(cast("TextIO", err)):
        code = run()
    if code and not out.is_used:
        print_error("".join(err.texts))
    return code


def print_error(text: str, problems: list[dict[str, Any]] | None = None) -> None:
    """`error`: the text for people; `problems`: the same as data, if there are some."""
    text = "\n".join(line.removeprefix("sixstack: ") for line in text.strip().splitlines())
    print(json.dumps({"error": text, **({"problems": problems} if problems else {})}, indent=1))
