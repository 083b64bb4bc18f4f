"""Following a run: what is said when the follower goes and the run does not."""

from __future__ import annotations

import signal
import subprocess
import sys
from uuid import uuid4

import pytest
import yaml
from prefect.client.schemas.objects import FlowRun
from prefect.states import Failed

from cli.following import _result
from demo.local_prefect import POOL, SIXSTACK
from tests.cli.test_commands import EXAMPLE
from tests.conftest import Workplace, run_id


def pause_work(place: Workplace, what: str) -> None:
    """`pause` or `resume`: whether the worker takes runs."""
    done = place.run([sys.executable, "-m", "prefect", "work-pool", what, POOL])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.server
def test_ctrl_c_stops_following_and_not_the_run(prefect_server: Workplace) -> None:
    """130, and how to follow the run or end it; the run goes on (and fails, as its audit store is nobody's).

    It cannot end before the signal: the work pool is paused until then.
    """
    pause_work(prefect_server, "pause")
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")) | {"audit": "nobody"}
    # env: the children of a shell's background job ignore SIGINT
    command = ["env", "--default-signal=INT", *SIXSTACK, "create"]
    with subprocess.Popen(
        [*command, prefect_server.write("left.yaml", document)],
        cwd=prefect_server.prefect.root,
        env=prefect_server.prefect.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as create:
        try:
            assert create.stdout is not None
            run = run_id(create.stdout.readline() + create.stdout.readline())
            create.send_signal(signal.SIGINT)
            _, said = create.communicate(timeout=60)
        finally:
            create.kill()
            pause_work(prefect_server, "resume")
    assert create.returncode == 130
    assert f"sixstack follow {run}" in said
    assert f"prefect flow-run cancel {run}" in said
    assert "Traceback" not in said
    assert prefect_server.ended(run)["state_type"] == "FAILED"


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

    assert _result(followed())[1] == 1
    assert (message in capsys.readouterr().out if message else False) is printed
