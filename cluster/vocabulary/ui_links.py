"""Links on the pages of runs to other pages of the Prefect UI.

They are relative: every page of both UIs that shows one is two levels deep (`/artifacts/artifact/ID`, `/runs/flow-run/ID`), below `/v2` in the V2 UI.
So a link stays in the UI that a person uses, also behind a reverse proxy. An absolute one would lead from the V2 UI to the V1 UI.
"""

from __future__ import annotations

from urllib.parse import quote


def artifact_link(identity: str) -> str:
    """The page of an artifact."""
    return f"../../artifacts/artifact/{quote(identity, safe='')}"


def run_link(identity: str) -> str:
    """The page of a flow run."""
    return f"../../runs/flow-run/{quote(identity, safe='')}"
