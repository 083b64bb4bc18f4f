"""Storage that a block names: a folder of this machine, or the URL of an fsspec file system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.types import SecretDict


def open_storage(url: str, options: SecretDict | None) -> tuple[Any, str]:
    """The file system and the path in it. Whatever fsspec or the storage raises passes through."""
    from fsspec.core import url_to_fs

    system, root = url_to_fs(absolute(url), **(options.get_secret_value() if options else {}))
    return system, root.rstrip("/")


def absolute(url: str) -> str:
    """A URL as it is, and a folder with its full path."""
    return url if "://" in url else str(Path(url).expanduser().absolute())
