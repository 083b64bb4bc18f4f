"""The cache folder for files that take long to build or fetch, outside of any clone."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The cache folder: $SIXSTACK_CACHE, else $XDG_CACHE_HOME/sixstack, else ~/.cache/sixstack."""
    if configured := os.environ.get("SIXSTACK_CACHE"):
        return Path(configured).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "sixstack"
