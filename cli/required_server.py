"""Checks that a Prefect server is configured and answers, and the errors when it lacks something."""

from __future__ import annotations

import shlex

from cli.programs import prefect
from cluster.vocabulary.errors import EnvironmentFault


def require_server() -> None:
    """EnvironmentFault when no server is configured, or the server does not answer or refuses the password.

    Without a configured server, Prefect would start its own in the user's home, without the blocks and deployments.
    Commands call this before they import blocks and runs: with them comes Prefect, which takes a second.
    """
    from blocks.prefect_api import NotFound, prefect_api

    with prefect_api() as server:
        try:
            server.get("/admin/version")  # the health check needs no password
        except NotFound:
            raise EnvironmentFault(f"the Prefect server at {server.url} cannot be reached: another program answers there") from None


def no_deployment(name: str, url: str) -> EnvironmentFault:
    """The error for a deployment that is not registered."""
    return EnvironmentFault(f"there is no deployment {name} at {url}; to register it: {deploying()}")


def deploying() -> str:
    """The command that registers all deployments. It works from every folder with the server's settings."""
    from server.folder import PREFECT_FILE

    return f"{prefect()} deploy --all --prefect-file {shlex.quote(str(PREFECT_FILE))}"
