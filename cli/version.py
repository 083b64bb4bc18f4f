"""`sixstack --version`: the installed version, with the commit of a checkout."""

from __future__ import annotations

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_CHECKOUT = Path(__file__).parent.parent


def version_text() -> str:
    """`sixstack 0.1.0 (commit 1234abcd)`; without the commit where there is no checkout or no git."""
    try:
        text = f"sixstack {version('sixstack')}"
    except PackageNotFoundError:
        text = "sixstack, not installed"
    if not (_CHECKOUT / ".git").exists():
        return text
    try:
        command = ["git", "-C", str(_CHECKOUT), "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"]
        commit = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return text
    return f"{text} (commit {commit})" if commit else text
