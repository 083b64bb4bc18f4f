"""Start a deployment and follow its run: a line per step as it ends, then the result."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from cli.exit_codes import PROBLEMS, SUCCESS
from cli.server import no_deployment, require_server
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import EnvironmentFault

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun

PATIENCE_SECONDS = 15.0  # a running worker starts a run within a few seconds


def run_deployment(name: str, parameters: dict[str, Any]) -> int:
    """Start `FLOW/DEPLOYMENT`, print its lines until it ends; returns the exit code of its final state."""
    return run_to_completion(name, parameters)[1]


def run_to_completion(name: str, parameters: dict[str, Any]) -> tuple[UUID, int]:
    """The same, with the id of the run."""
    from prefect.exceptions import ObjectNotFound

    require_server()
    try:
        return _result(_start_and_follow(name, parameters))
    except ObjectNotFound:
        raise no_deployment(name) from None


def follow_run(run: UUID) -> int:
    """Print the lines of a run that was started elsewhere until it ends; the exit code of its final state."""
    from prefect.exceptions import ObjectNotFound

    from blocks.loading import api_url

    require_server()
    try:
        return _result(_follow_started(run))[1]
    except ObjectNotFound:
        raise EnvironmentFault(f"there is no flow run {run} at {api_url()}") from None


def _result(following: Coroutine[Any, Any, tuple[FlowRun, str]]) -> tuple[UUID, int]:
    import httpx

    from blocks.loading import api_url

    try:
        run, last_line = asyncio.run(following)
    except (httpx.HTTPError, OSError) as error:
        raise EnvironmentFault(f"the Prefect server at {api_url()} cannot be reached: {error}") from error
    state = run.state
    if state is not None and state.is_completed():
        print(f"{run.name}: completed")
        return run.id, SUCCESS
    print(f"{run.name}: {(state.name or state.type.value).lower() if state else 'no state'}")
    message = without_control(state.message or "") if state is not None else ""
    # Prefect writes `...: CLASS: TEXT`; the line of the step that failed ends with the same text
    text = message.split(": ", 2)[-1]
    if message and last_line not in message and text not in last_line:
        print(message)
    return run.id, PROBLEMS


async def _start_and_follow(name: str, parameters: dict[str, Any]) -> tuple[FlowRun, str]:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        deployment = await client.read_deployment_by_name(name)
        run = await client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
        print(f"started {name}", flush=True)
        return await _follow_to_completion(client, run)


async def _follow_started(run: UUID) -> tuple[FlowRun, str]:
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        return await _follow_to_completion(client, await client.read_flow_run(run))


async def _follow_to_completion(client: PrefectClient, run: FlowRun) -> tuple[FlowRun, str]:
    """The ended run, and its last line."""
    from prefect.settings import get_current_settings

    ui = get_current_settings().ui_url or ""
    print(f"run {run.name} {run.id}{f', {ui}/runs/flow-run/{run.id}' if ui else ''}", flush=True)
    try:
        async with _reporting_why_waiting(client, run.id, run.work_pool_name or ""):
            last_line = await _follow(run.id)
        return await client.read_flow_run(run.id), last_line
    except BaseException:
        # Ctrl-C or a lost server: the worker continues the run
        print(
            f"sixstack: no longer following; the run continues. To follow it: sixstack follow {run.id}; to cancel it: prefect flow-run cancel {run.id}",
            file=sys.stderr,
            flush=True,
        )
        raise


async def _follow(run: UUID) -> str:
    """Print the lines of the run until it ends; returns the last line."""
    from prefect.events import Event
    from prefect.events.subscribers import FlowRunSubscriber

    last_line = "\0"  # in no message
    async with FlowRunSubscriber(flow_run_id=run) as stream:
        async for item in stream:
            if isinstance(item, Event) and item.event.startswith("sixstack."):
                last_line = without_control(str(item.payload["line"]))
                print(f"{item.occurred.astimezone():%H:%M:%S} {last_line}", flush=True)
    return last_line


@asynccontextmanager
async def _reporting_why_waiting(client: PrefectClient, run: UUID, pool: str) -> AsyncIterator[None]:
    """During the block, report why the run does not start, once for each reason."""
    watch = asyncio.create_task(_report_why_waiting(client, run, pool))
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _report_why_waiting(client: PrefectClient, run: UUID, pool: str) -> None:
    reported = ""
    while True:
        await asyncio.sleep(PATIENCE_SECONDS)
        state = (await client.read_flow_run(run)).state
        if state is None or not (state.is_scheduled() or state.is_pending()):
            return
        reason = f"no worker has started the run yet; start a worker: prefect worker start --pool {pool}"
        if state.name == "AwaitingConcurrencySlot":
            reason = "concurrency limit of the deployment reached; the run starts when another run ends"
        elif state.is_pending():
            reason = "a worker is starting the run"
        if reason != reported:
            print(f"waiting: {reason}", flush=True)
            reported = reason
