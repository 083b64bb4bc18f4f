"""Loading a block by name, with an error that names the missing block and how to create it."""

from __future__ import annotations

import logging
from typing import TypeVar

import httpx
from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from cluster.vocabulary.errors import EnvironmentFault

# loading a block sends an event; a short command would log a warning when it ends before the event is sent, although the event is sent
logging.getLogger("EventsWorker").setLevel(logging.ERROR)

AnyBlock = TypeVar("AnyBlock", bound=Block)


class NoBlock(EnvironmentFault):
    """The server has no block of that type and name."""


def load(kind: type[AnyBlock], name: str) -> AnyBlock:
    """Load a block; NoBlock when there is none of that name, EnvironmentFault when the server does not answer."""
    try:
        loaded = kind.load(name)
    except ValueError as error:
        if not isinstance(error.__cause__, ObjectNotFound):
            raise EnvironmentFault(f"the {kind.get_block_type_slug()} block `{name}` cannot be read: {error}") from error
        raise NoBlock(
            f"there is no block `{name}` of type {kind._block_type_name}; make one in the Prefect UI (Blocks) "
            f"or with {kind.__module__}.{kind.__name__}(...).save({name!r})"
        ) from error
    except (httpx.HTTPError, RuntimeError, OSError) as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} cannot be reached: {error}") from error
    assert isinstance(loaded, kind)
    return loaded


def api_url() -> str:
    """The current Prefect API URL, for error messages."""
    return get_current_settings().api.url or "(no PREFECT_API_URL is set: run from the folder with prefect.toml, or set it)"
