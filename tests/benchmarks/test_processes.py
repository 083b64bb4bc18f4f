"""The benchmark measures CPU time and memory of processes correctly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from benchmarks.processes import Watch


def test_peak_memory_is_that_of_the_child() -> None:
    """The peak of a child that uses 80 MB for a moment is measured."""
    grow = "import sys; x = bytearray(80_000_000); del x; sys.stdin.read()"
    with (
        subprocess.Popen(["sh", "-c", f"{sys.executable} -c '{grow}'; true"], stdin=subprocess.PIPE) as shell,
        Watch(shell.pid) as watch,
    ):
        deadline = time.monotonic() + 60
        while watch.peak_memory < 80_000_000 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert 80_000_000 < watch.peak_memory < 160_000_000


def test_cpu_until_a_moment_grows_with_work() -> None:
    """A child that computes has used more CPU at its end than at its start."""
    begin = time.time()
    with Watch(os.getpid()) as watch:
        subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 1: pass"], check=True)
    assert watch.cpu_until(begin) == 0
    assert watch.cpu_until(time.time()) > 0.3


def test_cpu_of_background_processes_counts() -> None:
    """The CPU time of a command includes that of its daemon."""
    busy = "import time\nwhile time.process_time() < 0.5: pass"
    command = ["sh", "-c", f"setsid {sys.executable} -c '{busy}' & exit 3"]
    done = subprocess.run([sys.executable, "-m", "benchmarks.measured", *command], capture_output=True, text=True, check=False)
    measured = json.loads(done.stdout)
    assert (done.returncode, measured["exit_code"]) == (3, 3)
    assert measured["cpu"] > 0.4
