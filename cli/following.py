"""Start a deployment and follow its run: a line per step as it ends, then the result."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from cli.exit_codes import GOOD, PROBLEMS
from cluster.errors import EnvironmentFault

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


def run_deployment(name: str, parameters: dict[str, Any]) -> int:
    """Start `FLOW/DEPLOYMENT`, print its lines until it ends; the exit code of its final state."""
    import httpx
    from prefect.exceptions import ObjectNotFound

    from blocks.loading import api_url

    try:
        run, said = asyncio.run(_start_and_follow(name, parameters))
    except ObjectNotFound:
        raise EnvironmentFault(
            f"there is no deployment {name} at {api_url()}; register it: prefect deploy --all --prefect-file deployments/prefect.yaml"
        ) from None
    except (httpx.HTTPError, OSError) as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} cannot be reached: {error}") from error
    state = run.state
    if state is not None and state.is_completed():
        print(f"{run.name}: completed")
        return GOOD
    print(f"{run.name}: {(state.name or state.type.value).lower() if state else 'no state'}")
    if state is not None and state.message and said not in state.message:
        print(state.message)
    return PROBLEMS


async def _start_and_follow(name: str, parameters: dict[str, Any]) -> tuple[FlowRun, str]:
    """The ended run, and what it said last."""
    from prefect.client.orchestration import get_client
    from prefect.events import Event
    from prefect.events.subscribers import FlowRunSubscriber
    from prefect.settings import get_current_settings

    async with get_client() as client:
        deployment = await client.read_deployment_by_name(name)
        run = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        ui = get_current_settings().ui_url or ""
        print(f"{name}: run {run.name} {run.id}{f', {ui}/runs/flow-run/{run.id}' if ui else ''}", flush=True)
        said = "\0"  # in no message
        async with FlowRunSubscriber(flow_run_id=run.id) as stream:
            async for item in stream:
                if isinstance(item, Event) and item.event.startswith("sixstack."):
                    said = str(item.payload["line"])
                    print(f"{item.occurred.astimezone():%H:%M:%S} {said}", flush=True)
        return await client.read_flow_run(run.id), said
