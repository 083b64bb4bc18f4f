"""Loading a block by name with an error that says what is missing and how to make it."""

from __future__ import annotations

import logging
from typing import TypeVar

import httpx
from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from cluster.vocabulary.errors import EnvironmentFault

# loading a block sends an event; a short command that ends before it is sent would warn of it each time, and still sends it
logging.getLogger("EventsWorker").setLevel(logging.ERROR)

AnyBlock = TypeVar("AnyBlock", bound=Block)


class NoBlock(EnvironmentFault):
    """The server answers, and has no block of that type and name."""


def load(kind: type[AnyBlock], name: str) -> AnyBlock:
    """The block of that type and name; NoBlock when there is none, EnvironmentFault when the server does not answer."""
    try:
        loaded = kind.load(name)
    except ValueError as error:
        if not isinstance(error.__cause__, ObjectNotFound) and "Unable to find block document" not in str(error):
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
    """The Prefect API URL in force, as error messages name it."""
    return get_current_settings().api.url or "(no PREFECT_API_URL is set: run from the folder with prefect.toml, or set it)"
