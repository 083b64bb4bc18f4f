"""Run one part of sixstack and print its outcome and the growth of the peak memory in MB: peak_memory.py ACTION ARGUMENT..."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from bundle.download import Downloader, http_client
from bundle.fetch import _extract
from bundle.unpack import unpack
from cluster.vocabulary.errors import SixstackError


def measured(*arguments: object) -> tuple[float, str]:
    """(MB of memory that the action took at its peak, outcome), in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    grown, _, outcome = done.stdout.partition(" ")
    return float(grown), outcome


def act(action: str, *arguments: str) -> None:
    """One action."""
    if action == "text":
        with http_client() as client:
            Downloader(Path(arguments[1]), client, ()).text(arguments[0])
    elif action == "file":
        with http_client() as client:
            Downloader(Path(arguments[1]), client, ()).file(arguments[0], "0" * 64, 256 << 20)
    elif action == "extract":
        _extract(Path(arguments[0]), "bin/ctr", Path(arguments[1]), "http://server.example/archive")
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # a larger file is an OSError
        unpack(Path(arguments[0]), "runc", Path(arguments[1]))


def peak() -> float:
    """The peak so far, in MB. ru_maxrss would be that of the parent, which the process was for a moment."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    before = peak()
    try:
        act(*sys.argv[1:])
        outcome = "accepted"
    except SixstackError as error:
        outcome = f"refused: {error}"
    print(f"{peak() - before:.0f} {outcome}")
