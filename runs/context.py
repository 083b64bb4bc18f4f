"""What every task of a run knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RunContext:
    """What every task of a run knows: small, plain, without secrets."""

    cluster: str
    id: str  # id of the root flow run: the key of sessions and records, the same in subflows and in flow retries
    audit: str  # name of the Audit store block
    bundle: str  # name of the Artifact bundle block
