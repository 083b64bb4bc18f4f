"""Checks that a Prefect server is configured and answers, and the errors when it lacks something."""

from __future__ import annotations

from cluster.vocabulary.errors import EnvironmentFault

ANSWER_SECONDS = 5.0  # without this check, a silent server blocks a command for minutes


def require_server() -> None:
    """EnvironmentFault when no server is configured, or the server does not answer or refuses the password.

    Without a configured server, Prefect would start its own in the user's home, without the blocks and deployments.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, get_current_settings, temporary_settings

    url = get_current_settings().api.url
    if not url:
        raise EnvironmentFault(
            "no Prefect server is configured: run this from the folder with prefect.toml, or set PREFECT_API_URL and PREFECT_API_AUTH_STRING"
        )
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(sync_client=True, httpx_settings={"timeout": ANSWER_SECONDS}) as client,
    ):
        error = client.api_healthcheck()
        if error is None:
            try:
                client.api_version()  # the health check needs no password
            except httpx.HTTPStatusError as refused:
                if refused.response.status_code == httpx.codes.UNAUTHORIZED:
                    raise EnvironmentFault(
                        f"the Prefect server at {url} refuses the password: run this from the folder with its prefect.toml, "
                        "or set PREFECT_API_AUTH_STRING"
                    ) from None
            except httpx.HTTPError as lost:
                error = lost
    if error is not None:
        raise EnvironmentFault(f"the Prefect server at {url} cannot be reached: {str(error) or type(error).__name__}")


def no_deployment(name: str) -> EnvironmentFault:
    """The error for a deployment that is not registered."""
    from blocks.loading import api_url

    return EnvironmentFault(
        f"there is no deployment {name} at {api_url()}; to register it: prefect deploy --all --prefect-file deployments/prefect.yaml"
    )
