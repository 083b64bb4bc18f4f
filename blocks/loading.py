"""Loads a block by name. The error for a missing block explains how to create it."""

from __future__ import annotations

import logging
from typing import Any, TypeVar

import httpx
from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.nearest import nearest_name

# loading a block sends an event; a short command that ends before that would log a warning, although the event is sent
logging.getLogger("EventsWorker").setLevel(logging.ERROR)

_IN_THE_UI = "Create it in the Prefect UI (Blocks)"
# type -> how to get a block of this type
_REMEDIES = {
    "ssh-credential": f"{_IN_THE_UI}, or with `sixstack credential add {{name}} --key FILE`",
    "artifact-bundle": f"{_IN_THE_UI}, or with `sixstack bundle register FOLDER --name {{name}}`",
    "backup-store": f"{_IN_THE_UI}, or with `sixstack backup-key FILE --register {{name}}`",
    "saved-cluster": "Save one with the deployment save-cluster, or with `sixstack save FILE`",
    "saved-kubeconfig": "The deployment create-cluster saves it. For a cluster of another tool, create it in the Prefect UI (Blocks), "
    "or with `sixstack kubeconfig {name} --save FILE`",
}

AnyBlock = TypeVar("AnyBlock", bound=Block)


class NoBlock(EnvironmentFault):
    """The server has no block of this type and name."""


def load(kind: type[AnyBlock], name: str) -> AnyBlock:
    """Load a block; NoBlock when it does not exist, EnvironmentFault when the server does not answer."""
    try:
        loaded = kind.load(name)
    except ValueError as error:
        if not isinstance(error.__cause__, ObjectNotFound):
            raise EnvironmentFault(f"the {kind.get_block_type_slug()} block `{name}` cannot be read: {error}") from error
        raise no_block(kind, name) from error
    except (httpx.HTTPError, RuntimeError, OSError) as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} cannot be reached: {error}") from error
    assert isinstance(loaded, kind)
    return loaded


def no_block(kind: type[Block], name: str) -> NoBlock:
    """The error for a missing block, with the name that was probably meant, the names that exist, and how to get one."""
    names = names_of(kind)
    near = nearest_name(name, names)
    remedy = _REMEDIES.get(kind.get_block_type_slug(), _IN_THE_UI).format(name=name)
    there = f"The known names are {', '.join(names)}" if names else "There is none of this type"
    return NoBlock(
        f"there is no block `{name}` of type {kind._block_type_name}",
        f"{f'Did you mean `{near}`? ' if near else ''}{there}. {remedy}",
    )


def api_url() -> str:
    """The current URL of the Prefect API, for error messages."""
    return get_current_settings().api.url or "(PREFECT_API_URL is not set: set it, or run the command in the folder with prefect.toml)"


def names_of(kind: type[Block]) -> tuple[str, ...]:
    """The names of all blocks of a type, sorted; EnvironmentFault when the server does not answer."""
    return tuple(sorted(documents_of(kind)))


def documents_of(kind: type[Block]) -> dict[str, dict[str, Any]]:
    """The fields of all blocks of a type by name, in one request and without secrets; EnvironmentFault when the server does not answer."""
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            found = client.read_block_documents_by_type(kind.get_block_type_slug(), include_secrets=False)
    except httpx.HTTPStatusError as error:
        if error.response.status_code == httpx.codes.NOT_FOUND:  # no block of this type was ever saved
            return {}
        raise EnvironmentFault(f"the blocks of type {kind._block_type_name} cannot be read: {error}") from error
    except (httpx.HTTPError, OSError) as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} cannot be reached: {error}") from error
    return {document.name: dict(document.data) for document in found if document.name and not document.is_anonymous}
