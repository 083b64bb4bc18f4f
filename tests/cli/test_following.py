"""Following a run: what is said when the follower goes and the run does not."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
import yaml

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
