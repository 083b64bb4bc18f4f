"""Saving a block without harm to one of its name that is there already."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from prefect.blocks.core import Block

from blocks.loading import NoBlock, load
from cluster.vocabulary.errors import EnvironmentFault
from cluster.vocabulary.redaction import redact


class Saved(StrEnum):
    """What became of a block that was to be saved."""

    CREATED = "created"
    UNCHANGED = "unchanged"  # it was there with the same content
    REPLACED = "replaced"
    DIFFERS = "differs"  # it is there with other content, and was left alone


def save(block: Block, name: str, *, overwrite: bool = False, secrets: Iterable[str] = ()) -> Saved:
    """Save the block under that name; EnvironmentFault when the server refuses or does not answer, without `secrets` in its text."""
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
    except Exception as error:  # the server's answer to a refused request may hold the request
        raise EnvironmentFault(f"block `{name}` cannot be saved: {redact(str(error), secrets)}") from None
    return outcome


def _content(block: Block) -> dict[str, object]:
    return {name: getattr(block, name) for name in type(block).model_fields}
