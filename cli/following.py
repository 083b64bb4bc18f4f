"""Start a deployment and follow its run: a line per step as it ends, then the result.

Until a worker has taken the run, the run belongs to this command: Ctrl-C and a wait without a worker cancel it. Afterwards, the worker continues it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Coroutine
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from cli.colours import coloured, coloured_line
from cli.exit_codes import PROBLEMS, SUCCESS
from cli.numbers import whole_number
from cli.output_errors import is_of_the_output
from cli.programs import prefect, runnable
from cli.required_server import deploying, no_deployment
from cli.status_line import StatusLine
from cluster.vocabulary.control_characters import without_control
from cluster.vocabulary.errors import EnvironmentFault

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect.events import Event
    from prefect.events.filters import EventFilter

    from blocks.prefect_api import PrefectApi

WAIT_SECONDS = 60  # a running worker takes a run within its query interval: 2 s with our settings, 10 s with Prefect's own
_ASK_SECONDS = 1.0
_COMMIT_SECONDS, _COMMIT_ASK_SECONDS = 10.0, 0.2
_END_ASK_SECONDS, _STORE_SECONDS = 5.0, 6.0  # a Prefect server stores events at least every 5 s
_RECENT = timedelta(minutes=1)  # by two clocks, those of the server's machine and of this one
_PAGE = 50  # events, the most that a Prefect server answers
_OF_SIXSTACK = "sixstack."  # prefix of the names of events that have a line
_PATIENCE_SECONDS = 5.0  # before the first line about waiting, when a worker is online
_ONLINE = timedelta(seconds=75)  # since the last heartbeat of a worker, which sends one every 30 s
_NOT_TAKEN = ("Scheduled", "Late", "AwaitingConcurrencySlot")  # names of states
_CONTINUES = "sixstack: no longer following; the run continues. To follow it: sixstack follow {0}; to cancel it: {1} flow-run cancel {0}"
_MOST_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a command does after it has started a run."""

    detach: bool = False
    seconds: int = WAIT_SECONDS  # for a worker
    as_json: bool = False  # one JSON object on standard output, lines on standard error


class NoWorker(EnvironmentFault):
    """No worker took the run, which is cancelled."""


class RunDeleted(EnvironmentFault):
    """The server has the run no longer."""


def add_waiting(parser: argparse.ArgumentParser, *, detach: bool = True) -> None:
    """The options --wait, --detach and --output. `detach`: False for a command that has its own result of the run."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--wait",
        metavar="SECONDS",
        type=whole_number(1, _MOST_SECONDS),
        default=WAIT_SECONDS,
        help="how long to wait until a worker takes the run, which is then cancelled, with exit code 3 (default: %(default)s)",
    )
    if detach:
        group.add_argument("--detach", action="store_true", help="start the run, print its id, and do not wait for it")
        parser.add_argument(
            "--output",
            choices=["text", "json"],
            default="text",
            help="json: id and result of the run as one JSON object on standard output, progress on standard error",
        )


def waiting(options: argparse.Namespace) -> Waiting:
    """The parsed options of `add_waiting`."""
    return Waiting(getattr(options, "detach", False), options.wait, getattr(options, "output", "text") == "json")


def run_deployment(name: str, parameters: dict[str, Any], wait: Waiting) -> int:
    """Start `FLOW/DEPLOYMENT`, print its lines until it ends; returns the exit code of its final state."""
    with redirect_stdout(sys.stderr) if wait.as_json else nullcontext():
        run, code = run_to_completion(name, parameters, wait)
    if wait.as_json:
        result = "started" if wait.detach else "completed" if code == SUCCESS else "failed"
        print(json.dumps({"run": str(run), "deployment": name, "result": result}))
    return code


def run_to_completion(name: str, parameters: dict[str, Any], wait: Waiting) -> tuple[UUID, int]:
    """The same, with the id of the run."""
    key, run = str(uuid4()), None  # the run is found by its key, also when Ctrl-C came before the answer with its id
    try:
        run = _start(name, parameters, key)
        if wait.detach:
            print(runnable(f"to follow the run: sixstack follow {run}"), flush=True)
            return run, SUCCESS
        return run, _result(_follow_to_completion(run, wait.seconds))
    except BaseException:  # Ctrl-C, no worker, or a lost server
        _leave(key, run)
        raise


def follow_run(run: UUID) -> int:
    """Print the lines of a run that was started elsewhere until it ends; the exit code of its final state."""
    from blocks.prefect_api import NotFound, prefect_api

    with prefect_api() as server:
        try:
            _print_address(server, server.get(f"/flow_runs/{run}"))
        except NotFound:
            raise EnvironmentFault(f"there is no flow run {run} at {server.url}") from None
    try:
        return _result(_follow_to_completion(run))
    except RunDeleted:
        raise
    except BaseException:
        _print_continues(run)
        raise


def _print_continues(run: object) -> None:
    print(runnable(_CONTINUES.format(run, prefect())), file=sys.stderr, flush=True)


def _start(name: str, parameters: dict[str, Any], key: str) -> UUID:
    """Create the flow run. Not with Prefect's client, whose import takes about as long as a worker needs to take the run."""
    from blocks.prefect_api import NotFound, prefect_api

    with prefect_api() as server:
        try:
            deployment = server.get(f"/deployments/name/{name}")
        except NotFound:
            raise no_deployment(name, server.url) from None
        body = {"parameters": parameters, "idempotency_key": key, "state": {"type": "SCHEDULED", "name": "Scheduled"}}
        run = server.post(f"/deployments/{deployment['id']}/create_flow_run", body)
        print(f"started {name}", flush=True)
        _print_address(server, run)
        return UUID(run["id"])


def _print_address(server: PrefectApi, run: dict[str, Any]) -> None:
    address = f", {server.ui}/runs/flow-run/{run['id']}" if server.ui else ""
    print(f"run {run['name']} {run['id']}{address}", flush=True)


def _leave(key: str, run: UUID | None) -> None:
    """Cancel a run of this command that no worker has taken; otherwise say that it continues."""
    from blocks.prefect_api import prefect_api

    try:
        with prefect_api() as server:
            found = server.post("/flow_runs/filter", {"flow_runs": {"idempotency_key": {"any_": [key]}}})
            for own, state in ((each["id"], each["state"]["name"]) for each in found):
                if state in _NOT_TAKEN:
                    # the server sets a run without a process to Cancelled; a worker that takes it at this moment ends its process
                    server.post(f"/flow_runs/{own}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
                    print("sixstack: no worker had taken the run: it is cancelled, and nothing was changed", file=sys.stderr, flush=True)
                else:
                    _print_continues(own)
    except EnvironmentFault:
        if run is not None:
            _print_continues(run)


def _result(following: Coroutine[Any, Any, tuple[FlowRun, str]]) -> int:
    import httpx
    from websockets.exceptions import WebSocketException

    from blocks.loading import api_url

    try:
        run, last_line = asyncio.run(following)
    except (httpx.HTTPError, WebSocketException, OSError) as error:
        if is_of_the_output(error):
            raise
        raise EnvironmentFault(f"the Prefect server at {api_url()} cannot be reached: {error}") from error
    state = run.state
    if state is not None and state.is_completed():
        print(f"{run.name}: {coloured('completed', 'green')}")
        return SUCCESS
    print(f"{run.name}: {coloured((state.name or state.type.value).lower() if state else 'no state', 'red')}")
    message = without_control(state.message or "") if state is not None else ""
    # Prefect writes `...: CLASS: TEXT`; the line of the step that failed ends with the same text
    text = message.split(": ", 2)[-1]
    if message and last_line not in message and text not in last_line:
        print(runnable(message))
    return PROBLEMS


class Lines:
    """Prints the line of each event of a run, once."""

    def __init__(self, status: StatusLine) -> None:
        self.last = "\0"  # in no message
        self._status = status
        self._printed: set[UUID] = set()
        self._kept: list[Event] = []

    def show(self, event: Event) -> None:
        """Print the line of the event, if it has one."""
        line = event.payload.get("line")
        if not event.event.startswith(_OF_SIXSTACK) or event.id in self._printed or not isinstance(line, str):
            return
        self._printed.add(event.id)
        self.last = without_control(line)
        self._status.count(self.last)
        self._status.print(f"{event.occurred.astimezone():%H:%M:%S} {coloured_line(self.last)}")

    def keep(self, event: Event) -> None:
        """Keep the event until `show_kept`: earlier lines may still come."""
        self._kept.append(event)

    def show_kept(self) -> None:
        """Print the lines of all kept events."""
        for event in self._kept:
            self.show(event)
        self._kept.clear()


async def _follow_to_completion(run: UUID, wait_seconds: float | None = None) -> tuple[FlowRun, str]:
    """The ended run, and its last line.

    `wait_seconds`: how long to wait for a worker; then NoWorker is raised. RunDeleted is raised when the run is deleted.
    """
    from prefect.client.orchestration import get_client

    async with get_client() as client:
        return await _print_lines(client, run, wait_seconds)


async def _read(client: PrefectClient, run: UUID) -> FlowRun:
    from prefect.exceptions import ObjectNotFound

    try:
        return await client.read_flow_run(run)
    except ObjectNotFound:
        raise RunDeleted(f"the flow run {run} was deleted. If it had started, this command lists its steps: sixstack audit {run}") from None


async def _print_lines(client: PrefectClient, run: UUID, wait_seconds: float | None) -> tuple[FlowRun, str]:
    """Print the lines of the run until the stream of events or the API shows its end; returns the ended run, and its last line."""
    status = StatusLine()
    lines = Lines(status)
    stream, end = asyncio.create_task(_print_stream(client, run, lines)), asyncio.create_task(_print_at_the_end(client, run, lines))
    start, clock = asyncio.create_task(_watch_start(client, run, wait_seconds, status)), asyncio.create_task(_redraw(status))
    try:
        await asyncio.wait({stream, end, start}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()  # NoWorker
        await asyncio.wait({stream, end}, return_when=asyncio.FIRST_COMPLETED)
        return (stream if stream.done() else end).result(), lines.last
    finally:
        for task in (stream, end, start, clock):
            task.cancel()
        await asyncio.gather(stream, end, start, clock, return_exceptions=True)
        status.clear()


async def _print_at_the_end(client: PrefectClient, run: UUID, lines: Lines) -> FlowRun:
    """Wait until the API shows the end of the run and the server has stored its events, and print the lines that the stream has not brought.

    The event of the end may never be in the stream. A new subscription gets the events of the last minute from the server's database, which stores
    them seconds after they occur.
    """
    found = await _final(client, run, _END_ASK_SECONDS)
    if found.state is not None and datetime.now(UTC) - found.state.timestamp < _RECENT:
        await asyncio.sleep(_STORE_SECONDS)
    await _print_stored(client, run, lines)
    return found


async def _final(client: PrefectClient, run: UUID, pause: float) -> FlowRun:
    """The run once the API shows it in a final state. The API is asked again after each `pause`, in seconds."""
    import httpx

    while True:
        with suppress(httpx.HTTPError, OSError):  # the stream decides when a server is lost
            found = await _read(client, run)
            if _is_final(found):
                return found
        await asyncio.sleep(pause)


def _is_final(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def _has_started(run: FlowRun) -> bool:
    return run.state is not None and not run.state.is_scheduled() and not run.state.is_pending()


async def _ended(client: PrefectClient, run: UUID, seconds: float = _COMMIT_SECONDS) -> FlowRun:
    """The run in its final state, or as it is after this time. On a busy server, the event of the end can arrive before the API shows the state."""
    try:
        async with asyncio.timeout(seconds):
            return await _final(client, run, _COMMIT_ASK_SECONDS)
    except TimeoutError:
        return await _read(client, run)


async def _redraw(status: StatusLine) -> None:
    """Once a second, for the time in it."""
    while True:
        status.draw()
        await asyncio.sleep(1)


def _resource(run: UUID) -> str:
    return f"prefect.flow-run.{run}"


def _events_of(run: UUID) -> EventFilter:
    """The events of the run and of its steps."""
    from prefect.events.filters import EventAnyResourceFilter, EventFilter

    return EventFilter(any_resource=EventAnyResourceFilter(id=[_resource(run)]))


async def _print_stream(client: PrefectClient, run: UUID, lines: Lines) -> FlowRun:
    """Print the lines of the run, those in the server's database first, then as they come, until it ends; returns the ended run.

    A run that is retried in the UI ends more than once: the stream also has the first end.
    """
    from prefect.client.schemas.objects import TERMINAL_STATES
    from prefect.events.clients import get_events_subscriber

    # Prefect's FlowRunSubscriber also waits for 3 s after the end, for log lines, which are not printed here
    async with get_events_subscriber(filter=_events_of(run), reconnection_attempts=10, reconnect_on_clean_close=True) as stream:
        await _print_stored(client, run, lines)
        missed = asyncio.create_task(_print_missed(client, run, lines))
        try:
            async for event in stream:
                if missed.done():
                    lines.show(event)
                else:
                    lines.keep(event)
                if event.resource.id == _resource(run) and event.resource.get("prefect.state-type") in TERMINAL_STATES:
                    found = await _read(client, run)
                    if found.state is not None and found.state.timestamp > event.occurred:
                        continue  # it was retried
                    found = await _ended(client, run)
                    if _is_final(found):
                        await missed
                        return found
        finally:
            missed.cancel()
            await asyncio.gather(missed, return_exceptions=True)
    return await _ended(client, run)  # the server closed the stream


async def _print_missed(client: PrefectClient, run: UUID, lines: Lines) -> None:
    """Print the lines of events that occurred before the subscription and are stored after it, then those that the stream has brought meanwhile.

    The stream is read all the time: a connection with unread events takes 10 s to close.
    """
    import httpx

    with suppress(httpx.HTTPError, OSError):  # the stream decides when a server is lost
        if _has_started(await _read(client, run)):
            await asyncio.sleep(_STORE_SECONDS)
            await _print_stored(client, run, lines)
    lines.show_kept()


async def _print_stored(client: PrefectClient, run: UUID, lines: Lines) -> None:
    """Print the lines in the server's database that the stream did not bring."""
    from prefect.events.filters import EventNameFilter, EventOccurredFilter, EventOrder

    about = _events_of(run)
    about.event, about.order = EventNameFilter(prefix=[_OF_SIXSTACK]), EventOrder.ASC
    about.occurred = EventOccurredFilter(until=datetime.now(UTC) + timedelta(days=1))  # by the clock of the worker's machine
    page = await client.read_events(about, limit=_PAGE)
    while True:
        for event in page.events:
            lines.show(event)
        if page.next_page is None:
            return
        page = await client.read_events_page(str(page.next_page))


async def _watch_start(client: PrefectClient, run: UUID, wait_seconds: float | None, status: StatusLine) -> None:
    """Say why the run does not start, once for each reason, until it has started."""
    begin, reported = datetime.now(UTC), ""
    while True:
        found = await _read(client, run)
        state, waited = found.state, (datetime.now(UTC) - begin).total_seconds()
        if state is None or _has_started(found):
            return
        reason, remedy = "a worker is starting the process of the run", ""
        if state.name == "AwaitingConcurrencySlot":
            reason = "concurrency limit of the deployment reached; the run starts when another run ends"
        elif not state.is_pending():
            reason, remedy = await _why_not_taken(client, found)
            if remedy and wait_seconds is not None and waited > wait_seconds:
                raise NoWorker(f"no worker took the run in {wait_seconds:.0f} s: {reason}. {remedy}")
        at_most = f"; the run is cancelled if no worker takes it in {wait_seconds:.0f} s" if remedy and wait_seconds else ""
        if reason != reported and (remedy or state.is_pending() or waited > _PATIENCE_SECONDS):
            status.print(f"{coloured('waiting:', 'yellow')} {reason}{at_most}{f'. {remedy}' if remedy else ''}")
            reported = reason
        await asyncio.sleep(_ASK_SECONDS)


async def _why_not_taken(client: PrefectClient, run: FlowRun) -> tuple[str, str]:
    """The reason, and a remedy if nothing but a person changes it."""
    from prefect.exceptions import ObjectNotFound

    pool, queue = run.work_pool_name, run.work_queue_name
    try:
        if not pool or not queue:  # a server that deletes a pool or a queue also deletes both names from runs
            return _without_queue(run)
        if (await client.read_work_pool(pool)).is_paused:
            return f"the work pool {pool} is paused", f"Resume it: {prefect()} work-pool resume {pool}"
        if (await client.read_work_queue_by_name(queue, work_pool_name=pool)).is_paused:
            return f"the work queue {queue} of the pool {pool} is paused", f"Resume it: {prefect()} work-queue resume {queue} --pool {pool}"
        workers = await client.read_workers_for_work_pool(pool)
    except ObjectNotFound:
        return _without_queue(run)
    since = datetime.now(UTC) - _ONLINE
    online = [worker.name for worker in workers if worker.last_heartbeat_time is not None and worker.last_heartbeat_time > since]
    if not online:
        return f"no worker of the work pool {pool} is online", f"Start one: {prefect()} worker start --pool {pool}"
    return (
        f"{', '.join(online)} of the work pool {pool} has not taken the run: a worker asks every few seconds, or all its slots are in use",
        "",
    )


def _without_queue(run: FlowRun) -> tuple[str, str]:
    """The reason and the remedy for a run that no worker can find."""
    from server.processes import POOL

    if run.deployment_id is None:
        return "the run has no deployment, so no worker takes it", "Start it again from a deployment"
    commands = f"{prefect()} work-pool create {POOL} --type process; {deploying()}"
    return (
        "the run has no work queue: its work pool or the queue was deleted",
        f"Create the pool unless it exists, and register the deployments again: {commands}",
    )
