"""The processes of a Prefect server and of a worker, started in the background and found again without a stored process id."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from server.settings import make_private

POOL = "sixstack"  # the work pool of deployments/prefect.yaml
SERVER = ("-m", "server.prefect_server")  # arguments of Python; why not Prefect's own command: docs/decisions/sqlite-cursors.md
EARLIER_SERVER = ("-m", "prefect", "server", "start")  # of a server that an earlier version started, and that may still run
STOP_LIMIT = 10.0  # seconds from SIGTERM to SIGKILL
_children: list[subprocess.Popen[bytes]] = []  # Python warns about a running process whose Popen object is gone


def worker_name() -> str:
    """The name of this machine's worker."""
    return socket.gethostname()


def worker(name: str) -> tuple[str, ...]:
    """Arguments of Python for the worker of this name."""
    return ("-m", "prefect", "worker", "start", "--pool", POOL, "--name", name, "--limit", "8")


def find(folder: Path, arguments: Sequence[str]) -> psutil.Process | None:
    """The running process with these arguments of Python.

    Command line and working folder identify it, so no process id is stored, and none can be stale or belong to another process.
    """
    root = str(folder.resolve())
    commands = (SERVER, EARLIER_SERVER) if arguments == SERVER else (tuple(arguments),)
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = tuple(process.info["cmdline"] or ())
        if process.info["cwd"] == root and any(words[1 : 1 + len(command)] == command for command in commands):
            return process
    return None


def flow_runs(api: str) -> list[psutil.Process]:
    """The processes of flow runs of the server with this API."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        with contextlib.suppress(psutil.Error):
            if "prefect.engine" in (process.info["cmdline"] or []) and process.environ().get("PREFECT_API_URL") == api:
                found.append(process)
    return found


def run_of(process: psutil.Process) -> str | None:
    """The id of the flow run that a process executes; None when it has ended."""
    with contextlib.suppress(psutil.Error):
        return process.environ().get("PREFECT__FLOW_RUN_ID")
    return None


def spawn(
    folder: Path, arguments: Sequence[str], *, log: Path, environment: Mapping[str, str], is_private: bool
) -> subprocess.Popen[bytes]:
    """Start Python in the folder, in a session of its own. `is_private`: other users cannot read the files that it makes."""
    make_private(log)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal does not reach it
            umask=0o077 if is_private else -1,
        )
    _children.append(process)
    return process


def end(process: psutil.Process) -> None:
    """End a process and its descendants: SIGTERM to the process, and SIGKILL to the rest after STOP_LIMIT."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = [process, *process.children(recursive=True)]
        process.terminate()
        psutil.wait_procs([process], timeout=STOP_LIMIT)
        for remaining in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                remaining.kill()
        psutil.wait_procs(tree, timeout=STOP_LIMIT)
    _children[:] = [child for child in _children if child.poll() is None]
