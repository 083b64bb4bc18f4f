"""Changes of an object that another client may change at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kube.client import ApiRefused

_ATTEMPTS = 5
_CONFLICT = 409
T = TypeVar("T")


def retry_conflicts(change: Callable[[], T | None], error: Exception) -> T:
    """Call `change` until it has a result, five times at most; then raise `error`.

    `change` reads the object, decides, and sends its resource version with the patch. It is called again after a conflict with another client,
    and when it returns None.
    """
    for _ in range(_ATTEMPTS):
        try:
            if (result := change()) is not None:
                return result
        except ApiRefused as refusal:
            if refusal.status != _CONFLICT:
                raise
    raise error
