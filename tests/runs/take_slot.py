"""Take the slot of a cluster in a flow on the server of the current folder: `python take_slot.py CLUSTER hold|take|retry`.

`hold` prints the id of its run and ends without giving the slot back, as a killed process does; `take` prints when it had the slot.
"""

import os
import sys
import time

from prefect import flow

from runs.cluster_run import run_context
from runs.cluster_slot import exclusive_run

CLUSTER, WHAT = sys.argv[1:]


@flow
def take() -> None:
    """Hold the slot for a moment."""
    run = run_context({"name": CLUSTER})
    print(run.id, flush=True)
    with exclusive_run(run, 120):
        if WHAT == "hold":
            os._exit(9)
        start = time.monotonic()
        time.sleep(0.3)
        print(start, time.monotonic(), flush=True)


take()
