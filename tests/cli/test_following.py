"""Starting, following, leaving and cancelling runs, with a real Prefect server."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import yaml
from prefect.client.schemas.objects import FlowRun
from prefect.events import Event, Resource
from prefect.states import Completed, Failed, Running
from websockets.exceptions import ConnectionClosedError

from cli.following import Lines, _ended, _result
from cli.status_line import StatusLine
from cluster.vocabulary.errors import EnvironmentFault
from demo.local_prefect import SIXSTACK
from server.processes import POOL
from tests.cli.test_commands import EXAMPLE
from tests.conftest import Workplace, database_of, run_id

UNKNOWN_STORE = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")) | {"audit": "nobody"}  # a run of it fails after some seconds


@contextmanager
def paused_pool(place: Workplace) -> Iterator[None]:
    """No worker takes a run inside the `with` block."""

    def set_paused(value: bool) -> None:
        place.api(f"/work_pools/{POOL}", {"is_paused": value}, "PATCH")

    set_paused(True)
    try:
        yield
    finally:
        set_paused(False)


@contextmanager
def pool_without_worker(place: Workplace) -> Iterator[str]:
    """The deployment create-cluster uses a pool that no worker serves, inside the `with` block. The pool may be deleted there."""
    name = "nobody"
    deployment = place.api("/deployments/name/create-cluster/default")

    def use(pool: str) -> None:
        place.api(f"/deployments/{deployment['id']}", {"work_pool_name": pool}, "PATCH")

    place.api("/work_pools/", {"name": name, "type": "process"})
    use(name)
    try:
        yield name
    finally:
        use(POOL)
        if any(pool["name"] == name for pool in place.api("/work_pools/filter", {})):
            place.api(f"/work_pools/{name}", method="DELETE")


def state(place: Workplace, run: str) -> str:
    """The name of the state of a run."""
    return str(place.api(f"/flow_runs/{run}")["state_name"])


def _after_ctrl_c(create: subprocess.Popen[str]) -> tuple[str, str]:
    """What the command still prints. Python loses a signal that arrives in a callback of an import, and a user presses Ctrl-C again."""
    for _ in range(6):
        create.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return create.communicate(timeout=10)
    return create.communicate(timeout=10)


def interrupted(place: Workplace, *, after: str) -> tuple[int, str, str, str]:
    """Ctrl-C on `sixstack create` once it has printed a line with `after`; exit code, id of the run, and both outputs."""
    # env: the children of a shell's background job ignore SIGINT
    command = ["env", "--default-signal=INT", *SIXSTACK, "create", place.write("left.yaml", UNKNOWN_STORE)]
    with subprocess.Popen(
        command, cwd=place.prefect.root, env=place.prefect.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as create:
        try:
            assert create.stdout is not None
            printed = ""
            while after not in printed:
                line = create.stdout.readline()
                assert line, printed
                printed += line
            rest, said = _after_ctrl_c(create)
        finally:
            create.kill()
    assert "Traceback" not in said
    return create.returncode, run_id(printed + rest), printed + rest, said


@pytest.mark.server
@pytest.mark.parametrize("after", ["run ", "waiting: the work pool"])
def test_ctrl_c_before_a_worker_has_taken_the_run_cancels_it(prefect_server: Workplace, after: str) -> None:
    """Right after the run was created, and while the command waits for a worker. No worker executes the run later."""
    with paused_pool(prefect_server):
        code, run, _, said = interrupted(prefect_server, after=after)
    assert code == 130
    assert "is cancelled" in said
    assert state(prefect_server, run) == "Cancelled"


@pytest.mark.server
def test_ctrl_c_after_a_worker_has_taken_the_run_stops_following_only(prefect_server: Workplace) -> None:
    """130, and how to follow the run or to end it; the run continues, and fails because its audit store does not exist."""
    with prefect_server.held_runs():
        code, run, _, said = interrupted(prefect_server, after="waiting: a worker is starting")
    assert code == 130
    assert f"sixstack follow {run}" in said
    assert f"prefect flow-run cancel {run}" in said
    assert prefect_server.ended(run)["state_type"] == "FAILED"


@pytest.mark.server
def test_without_a_worker_the_command_exits_with_3_and_cancels_the_run(prefect_server: Workplace) -> None:
    """After the time of --wait. The first lines say that there is no worker, and how to start one."""
    with pool_without_worker(prefect_server):
        done = prefect_server.sixstack("create", prefect_server.write("alone.yaml", UNKNOWN_STORE), "--wait", "3")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "cancelled if no worker takes it in 3 s. Start one: " in done.stdout
    assert "prefect worker start --pool nobody" in done.stderr
    assert state(prefect_server, run_id(done.stdout)) == "Cancelled"


@pytest.mark.server
def test_a_deleted_pool_is_named_with_the_commands_that_create_it(prefect_server: Workplace) -> None:
    """3. The server has deleted the pool's name from the deployment too, which has to be registered again."""
    with pool_without_worker(prefect_server) as pool:
        prefect_server.api(f"/work_pools/{pool}", method="DELETE")
        done = prefect_server.sixstack("create", prefect_server.write("alone.yaml", UNKNOWN_STORE), "--wait", "3")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"prefect work-pool create {POOL}" in done.stderr
    assert "prefect deploy --all" in done.stderr
    assert state(prefect_server, run_id(done.stdout)) == "Cancelled"


@pytest.mark.server
def test_a_paused_pool_is_named_with_the_command_that_resumes_it(prefect_server: Workplace) -> None:
    """3, although a worker is online."""
    with paused_pool(prefect_server):
        done = prefect_server.sixstack("create", prefect_server.write("alone.yaml", UNKNOWN_STORE), "--wait", "3")
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"prefect work-pool resume {POOL}" in done.stderr
    assert state(prefect_server, run_id(done.stdout)) == "Cancelled"


@pytest.mark.server
def test_a_detached_run_is_started_and_can_be_followed(prefect_server: Workplace) -> None:
    """0 at once, with its id; `sixstack follow` prints its lines and has its exit code."""
    file = prefect_server.write("alone.yaml", UNKNOWN_STORE)
    done = prefect_server.sixstack("create", file, "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    run = run_id(done.stdout)
    assert done.stdout.endswith(f"sixstack follow {run}\n")
    followed = prefect_server.sixstack("follow", run)
    assert followed.returncode == 1, followed.stdout + followed.stderr
    assert "there is no block `nobody`" in followed.stdout


@pytest.mark.server
def test_a_run_that_ended_before_is_followed_to_its_end(prefect_server: Workplace) -> None:
    """The event of its end is not in the stream: a server sends what it has stored in the last minute, and it stores events seconds after they occur.

    Here, the event is deleted. All lines are printed once, in their order.
    """
    run = new_run(prefect_server, "COMPLETED")
    # more than a page, and more than a client of the stream keeps unread
    old, recent = [f"old line {number}" for number in range(60)], [f"recent line {number}" for number in range(60)]
    now = datetime.now(UTC)
    post_lines(prefect_server, run, recent, now - timedelta(seconds=5))
    post_lines(prefect_server, run, old, now - timedelta(minutes=5))
    wait_for_lines(prefect_server, len(recent + old), run)
    with database(prefect_server) as connection:
        deleted = connection.execute(
            "DELETE FROM events WHERE event = 'prefect.flow-run.Completed' AND resource_id = ?", (f"prefect.flow-run.{run}",)
        )
        assert deleted.rowcount == 1
    begin = time.monotonic()
    followed = prefect_server.sixstack("follow", run, limit=60)
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert time.monotonic() - begin < 15, "the end of the connection took 10 s"
    assert lines_of(followed.stdout.splitlines()) == old + recent
    assert followed.stdout.endswith("a-run: completed\n")


@pytest.mark.server
def test_a_run_that_is_joined_late_is_followed_with_all_its_lines(prefect_server: Workplace) -> None:
    """In their order: those of the time before, one that is stored after the subscription and is not in the stream, and the last one before the end."""
    run, other = new_run(prefect_server, "RUNNING"), new_run(prefect_server, "RUNNING")
    old, stored_late = [f"old line {number}" for number in range(60)], ["late line"]
    post_lines(prefect_server, run, old, datetime.now(UTC) - timedelta(minutes=5))
    post_lines(prefect_server, other, stored_late, datetime.now(UTC) - timedelta(minutes=4))
    wait_for_lines(prefect_server, len(old + stored_late), run, other)
    with following(prefect_server, run) as follow:
        printed = read_until(follow, old[-1])
        with database(prefect_server) as connection:
            moved = connection.execute(
                "UPDATE event_resources SET resource_id = ? WHERE resource_id = ? AND event_id IN (SELECT id FROM events WHERE event LIKE 'sixstack.%')",
                (f"prefect.flow-run.{run}", f"prefect.flow-run.{other}"),
            )
            assert moved.rowcount == 1
        post_lines(prefect_server, run, ["new line"], datetime.now(UTC))
        set_state(prefect_server, run, "FAILED")
        printed += follow.communicate(timeout=30)[0].splitlines(keepends=True)
        assert follow.returncode == 1, printed
    assert lines_of(printed) == [*old, *stored_late, "new line"]


@pytest.mark.server
def test_a_run_that_is_retried_is_followed_to_its_second_end(prefect_server: Workplace) -> None:
    """The event of the first end is in the stream: it is less than a minute old."""
    run = new_run(prefect_server, "FAILED")
    set_state(prefect_server, run, "RUNNING")
    with following(prefect_server, run) as follow:
        post_lines(prefect_server, run, ["first line"], datetime.now(UTC))
        printed = read_until(follow, "first line")
        post_lines(prefect_server, run, ["last line"], datetime.now(UTC))
        set_state(prefect_server, run, "COMPLETED")
        printed += follow.communicate(timeout=30)[0].splitlines(keepends=True)
        assert follow.returncode == 0, printed
    assert lines_of(printed) == ["first line", "last line"]
    assert printed[-1] == "a-run: completed\n"


@pytest.mark.server
def test_a_run_that_is_deleted_is_followed_until_then(prefect_server: Workplace) -> None:
    """3 and how to see what it did, both while it waits for a worker and while it runs; not that it continues."""
    for state_type in ("SCHEDULED", "RUNNING"):
        run = new_run(prefect_server, state_type)
        with following(prefect_server, run) as follow:
            printed = read_until(follow, run)
            prefect_server.api(f"/flow_runs/{run}", method="DELETE")
            printed += follow.communicate(timeout=30)[0].splitlines(keepends=True)
            assert follow.returncode == 3, printed
        assert printed[-1].startswith("sixstack: ")
        assert printed[-1].endswith(f"sixstack audit {run}\n")
        assert not [line for line in printed if "Traceback" in line or "never retrieved" in line or "continues" in line]


def new_run(place: Workplace, state_type: str) -> str:
    """A run in a state, without a deployment; its id."""
    flow = place.api("/flows/", {"name": "followed"})
    return str(place.api("/flow_runs/", {"flow_id": flow["id"], "name": "a-run", "state": {"type": state_type}})["id"])


def set_state(place: Workplace, run: str, state_type: str) -> None:
    """Set the state of a run, as Prefect's engine does it."""
    place.api(f"/flow_runs/{run}/set_state", {"state": {"type": state_type}, "force": True})


@contextmanager
def following(place: Workplace, run: str) -> Iterator[subprocess.Popen[str]]:
    """`sixstack follow` of the run; it ends with the block."""
    with place.popen("-m", "cli", "follow", run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as follow:
        try:
            yield follow
        finally:
            follow.kill()


def read_until(command: subprocess.Popen[str], part: str) -> list[str]:
    """The lines of its output up to one with this part."""
    assert command.stdout is not None
    printed: list[str] = []
    while not printed or part not in printed[-1]:
        printed.append(command.stdout.readline())
        assert printed[-1], "".join(printed)
    return printed


def lines_of(printed: list[str]) -> list[str]:
    """The lines of events in what `sixstack follow` printed, without their times."""
    return [line.rstrip("\n").partition(" ")[2] for line in printed if " line" in line]


@contextmanager
def database(place: Workplace) -> Iterator[sqlite3.Connection]:
    """The server's own database, with a commit at the end."""
    with closing(sqlite3.connect(database_of(place.prefect), timeout=60)) as connection, connection:
        yield connection


def post_lines(place: Workplace, run: str, lines: list[str], occurred: datetime) -> None:
    """Events with lines of a run, one after another."""
    place.api("/events", [line_event(run, line, occurred + timedelta(milliseconds=number)) for number, line in enumerate(lines)])


def wait_for_lines(place: Workplace, number: int, *runs: str) -> None:
    """Until the server's database has this number of lines of the runs."""
    about = {"any_resource": {"id": [f"prefect.flow-run.{run}" for run in runs]}, "event": {"prefix": ["sixstack."]}}
    deadline = time.monotonic() + 30
    while place.api("/events/filter", {"filter": about, "limit": 1})["total"] < number:
        assert time.monotonic() < deadline, "the events are not stored"
        time.sleep(0.5)


def line_event(run: str, line: str, occurred: datetime) -> dict[str, Any]:
    """An event with a line of a run."""
    return {
        "id": str(uuid4()),
        "occurred": occurred.isoformat(),
        "event": "sixstack.run.progress",
        "resource": {"prefect.resource.id": "sixstack.cluster.followed"},
        "related": [{"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}],
        "payload": {"line": line},
    }


@pytest.mark.server
def test_a_run_that_does_not_exist_is_3(prefect_server: Workplace) -> None:
    """The id is named."""
    done = prefect_server.sixstack("follow", "00000000-0000-4000-8000-000000000000")
    assert done.returncode == 3
    assert "there is no flow run 00000000-0000-4000-8000-000000000000" in done.stderr


@pytest.mark.parametrize(
    ("message", "last_line", "printed"),
    [
        ("Flow run encountered an exception: ClusterError: 1 of 2 removed\n- b: NOT removed", "reset-host b: failed in 1 s: no: way", True),
        ("Flow run encountered an exception: RemovalRefused: no: 2 problems\n- x", "plan: failed in 0 s: no: 2 problems\n- x", False),
        ("1 of 2 removed", "1 of 2 removed", False),
        ("Process exited with status code: -9. Killed.", "\0", True),
        ("", "the last line", False),
    ],
)
def test_the_reason_of_a_failure_is_printed_once(message: str, last_line: str, printed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of problems is long; the line of the step that found them is the last one."""
    run = FlowRun(flow_id=uuid4(), name="remove from demo", state=Failed(message=message))

    async def followed() -> tuple[FlowRun, str]:
        return run, last_line

    assert _result(followed()) == 1
    assert (message in capsys.readouterr().out if message else False) is printed


@pytest.mark.parametrize("payload", [{}, {"line": None}, {"line": 3}])
def test_an_event_without_a_line_is_not_printed(payload: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Anybody can send events of this name."""
    event = Event(
        occurred=datetime.now(UTC),
        event="sixstack.example",
        resource=Resource({"prefect.resource.id": "any"}),
        payload=payload,
        id=uuid4(),
    )
    lines = Lines(StatusLine())
    lines.show(event)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (BrokenPipeError(errno.EPIPE, "closed"), BrokenPipeError),  # `sixstack follow RUN | head`
        (OSError(errno.ENOSPC, "full"), OSError),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), EnvironmentFault),
        (OSError("Multiple exceptions"), EnvironmentFault),
        (httpx.ConnectTimeout("late"), EnvironmentFault),
        (ConnectionClosedError(None, None), EnvironmentFault),
    ],
)
def test_only_errors_of_the_connection_are_those_of_the_server(error: Exception, raised: type[Exception]) -> None:
    """A full disk and a closed pipe are errors of the output."""

    async def followed() -> tuple[FlowRun, str]:
        raise error

    with pytest.raises(raised) as found:
        _result(followed())
    assert type(found.value) is raised


@pytest.mark.server
def test_a_script_gets_the_run_as_json(prefect_server: Workplace) -> None:
    """One object on standard output, and all lines on standard error."""
    done = prefect_server.sixstack("create", prefect_server.write("alone.yaml", UNKNOWN_STORE), "--output", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"run": run_id(done.stderr), "deployment": "create-cluster/default", "result": "failed"}


class StandInForTheClient:
    """For a server whose API shows the end of a run later than its events: no real one can be made to do it."""

    def __init__(self, *runs: FlowRun) -> None:
        self._runs = list(runs)

    async def read_flow_run(self, run: UUID) -> FlowRun:  # noqa: ARG002 the interface
        """The next one, and the last one again and again."""
        return self._runs.pop(0) if len(self._runs) > 1 else self._runs[0]


@pytest.mark.parametrize(("states", "expected"), [((Running(), Running(), Completed()), "Completed"), ((Running(),), "Running")])
def test_the_result_is_that_of_the_final_state(states: tuple[Any, ...], expected: str) -> None:
    """The API may show it later than the events; what never ends is reported as it is."""
    client: Any = StandInForTheClient(*(FlowRun(flow_id=uuid4(), state=state) for state in states))
    found = asyncio.run(_ended(client, uuid4(), seconds=1))
    assert found.state is not None
    assert found.state.name == expected
