"""Runs the programs of a build (go, gcc, mmdebstrap). They end with the build, and errors include the end of their output."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault


class Programs:
    """The running programs of one build; `stop` ends all of them and prevents new ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, folder: Path | None = None, limit: float) -> str:
        """Run `argv` and return its standard output. EnvironmentFault with the end of its output when it fails or exceeds `limit` seconds."""
        with self._lock:
            if self._stopped:
                raise EnvironmentFault("the build was stopped")
            # setpriv: the kernel ends the program when this process is killed, so that it cannot disturb the next build
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
            self._running.add(process)
        try:
            out, error = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as late:
            _end(process)
            process.communicate()  # closes the pipes
            raise EnvironmentFault(f"`{' '.join(argv)}` did not end within {limit:.0f} s") from late
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode:
            raise EnvironmentFault(f"`{' '.join(argv)}` failed with exit code {process.returncode}:\n{(error or out).strip()[-3000:]}")
        return out

    def stop(self) -> None:
        """End all running programs."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and its children, which are a separate process group."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return
    process.wait()
