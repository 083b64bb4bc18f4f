"""Execute a plan of one step that waits until its run is cancelled, in a flow on the server of the current folder: `python cancelled_run.py`.

Prints what happens, in its order. The step stands in for a drain: it needs its sessions until it has undone what it did.
"""

import threading
import time

from prefect import flow, task

import runs.executor
from cluster.plan.graph import PlanBuilder, PlannedStep
from runs.cancellation import undone_when_cancelled
from runs.cluster_run import run_context
from runs.context import RunContext
from runs.executor import execute
from runs.sessions import close_sessions, open_sessions

KIND = "drain-node"


@task(name=KIND, persist_result=False)
def wait_for_cancellation(planned: PlannedStep, run: RunContext) -> None:
    """Waits like a drain, and undoes itself slowly."""
    with undone_when_cancelled(run) as cancelled:
        print("at work", planned.subject, flush=True)
        while not cancelled():
            time.sleep(0.1)
        time.sleep(0.5)
        print("undone", flush=True)


def close_and_report(run: RunContext) -> None:
    """Stands in front of the real one, to show when it is called."""
    if threading.current_thread() is threading.main_thread():
        print("sessions closed", flush=True)
    close_sessions(run)


@flow
def cancelled_run() -> None:
    """Execute the plan."""
    run = run_context({"name": "cancelled"})
    open_sessions(run)
    builder = PlanBuilder(run.cluster)
    builder.add(KIND, "a", reason="the test")
    execute(builder.build(), {KIND: wait_for_cancellation}, run)


vars(runs.executor)["close_sessions"] = close_and_report
cancelled_run()
