"""Runs one program of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from cluster.vocabulary.errors import EnvironmentFault


def command(argv: Sequence[str], *, limit: float = 60, feed: str | None = None, may_fail: bool = False) -> str:
    """Run `argv` and return its standard output. EnvironmentFault when it is missing, fails (unless `may_fail`) or exceeds `limit` seconds."""
    try:
        done = subprocess.run(
            list(argv),
            input=feed,
            stdin=subprocess.DEVNULL if feed is None else None,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except FileNotFoundError as error:
        raise EnvironmentFault(f"{argv[0]} is not installed on this machine: install it") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(f"`{' '.join(argv)}` did not end within {limit:.0f} s") from error
    if done.returncode and not may_fail:
        raise EnvironmentFault(
            f"`{' '.join(argv)}` failed with exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}"
        )
    return done.stdout
