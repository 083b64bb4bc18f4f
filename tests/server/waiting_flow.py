"""A flow that holds the slot of a cluster until a file exists, in place of one that works on hosts for minutes.

It writes the id of its run and of its process beside that file.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from prefect import flow

from runs.cluster_run import run_context
from runs.cluster_slot import exclusive_run


@flow
def wait_for_file(cluster: dict[str, str], file: str) -> None:
    """`cluster` as other flows have it."""
    run = run_context(dict(cluster))
    with exclusive_run(run, 300):
        Path(f"{file}.{run.id}").write_text(str(os.getpid()), encoding="utf-8")
        while not Path(file).exists():
            time.sleep(0.2)
