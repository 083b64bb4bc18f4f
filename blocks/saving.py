"""Saves a block. An existing block with this name is only overwritten on request."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from prefect.blocks.core import Block

from blocks.loading import NoBlock, load
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.redaction import redact


class Saved(StrEnum):
    """The outcome of saving a block."""

    CREATED = "created"
    UNCHANGED = "unchanged"  # the block exists with the same content
    REPLACED = "replaced"
    DIFFERS = "differs"  # the block exists with other content and is kept


def save(block: Block, name: str, *, overwrite: bool = False, secrets: Iterable[str] = ()) -> Saved:
    """Save a block; EnvironmentFault, with `secrets` redacted, when the server refuses or does not answer."""
    try:
        held = load(type(block), name)
        if _content(held) == _content(block):
            return Saved.UNCHANGED
        if not overwrite:
            return Saved.DIFFERS
        outcome = Saved.REPLACED
    except NoBlock:
        outcome = Saved.CREATED
    try:
        block.save(name, overwrite=overwrite)
    except Exception as error:  # the server's answer to a refused request may contain the request
        reason = redact(str(error), secrets)
    else:
        return outcome
    # raised here: inside `except`, the server's answer would be its context
    raise EnvironmentFault(f"block `{name}` cannot be saved: {reason}")


def _content(block: Block) -> dict[str, object]:
    return {name: getattr(block, name) for name in type(block).model_fields}
