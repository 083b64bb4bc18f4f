"""Runs a command and measures its time: `python -m benchmarks.measured COMMAND...` prints one JSON line {"wall", "cpu", "exit_code"}.

The CPU time includes all descendants, also those in the background (OpenSSH's shared connections), because this process adopts them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main() -> int:
    """Run the command and return its exit code."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) failed: this process cannot adopt orphans")
    start = time.monotonic()
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    _, status, _ = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    with contextlib.suppress(ChildProcessError):
        while True:  # background processes end by themselves; their time is included after this wait
            os.wait4(-1, 0)
    used = os.times()
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps({"wall": wall, "cpu": used.children_user + used.children_system, "exit_code": code}))
    return code


if __name__ == "__main__":
    sys.exit(main())
