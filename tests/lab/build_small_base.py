"""Build a base that is smaller than the real one: build_small_base.py HERE, with SIXSTACK_CACHE as the cache."""

import sys
from pathlib import Path

from lab import base

if __name__ == "__main__":
    base.PACKAGES = ("procps",)  # type: ignore[assignment]
    base._CUSTOMIZE, base._HERE = "true", Path(sys.argv[1])
    base.ensure_base(lambda line: print(line, flush=True))
