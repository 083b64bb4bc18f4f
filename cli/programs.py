"""Programs of this installation, as a person can call them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def prefect() -> str:
    """`prefect`, or its path where the PATH has another one or none: a virtual environment need not be activated for `sixstack`."""
    own = Path(sys.executable).with_name("prefect")
    found = shutil.which("prefect")
    return "prefect" if not own.exists() or (found is not None and Path(found).resolve() == own.resolve()) else str(own)
