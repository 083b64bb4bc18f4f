"""Where a case is played: the hosts of a lab, and `sixstack` as its users run it, in a folder with prefect.toml."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.errors import ClusterError

if TYPE_CHECKING:
    from cli.local_prefect import LocalPrefect

SIXSTACK = "import sys; from cli.main import main; sys.exit(main())"
_LIMIT_SECONDS = 900


@dataclass(frozen=True)
class Place:
    """A lab whose blocks are registered with a Prefect server that has a worker."""

    prefect: LocalPrefect
    lab: str
    probe_image: str  # of the bundle: a pod with a shell, ping and ip

    @property
    def folder(self) -> Path:
        """Where files of the case are written."""
        return self.prefect.state

    def do(self, *arguments: str) -> None:
        """Run `sixstack ARGUMENTS` for people to see; ClusterError when it fails."""
        print(f"$ sixstack {' '.join(arguments)}", flush=True)
        self._run([sys.executable, "-c", SIXSTACK, *arguments])

    def read(self, *arguments: str) -> str:
        """What `sixstack ARGUMENTS` prints; ClusterError when it fails."""
        return self._run([sys.executable, "-c", SIXSTACK, *arguments], shown=False)

    def deploy(self, deployment: str, **parameters: Any) -> None:
        """Run a deployment to its end, a line a step; ClusterError when the run fails."""
        text = json.dumps(parameters)
        print(f"$ prefect deployment run {deployment} --params '{text}'", flush=True)
        started = self._run([sys.executable, "-m", "prefect", "deployment", "run", deployment, "--params", text], shown=False)
        run = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", started)
        if run is None:
            raise ClusterError(f"prefect names no run:\n{started}")
        self.do("follow", run[0])

    def _run(self, command: list[str], *, shown: bool = True) -> str:
        pipe = None if shown else subprocess.PIPE
        done = subprocess.run(
            command,
            cwd=self.prefect.root,
            env=self.prefect.environment(),
            stdout=pipe,
            stderr=pipe,
            text=True,
            check=False,
            timeout=_LIMIT_SECONDS,
        )
        if done.returncode:
            said = "" if shown else f":\n{done.stdout}{done.stderr}"
            raise ClusterError(f"`{' '.join(command[3:])}` ended with exit code {done.returncode}{said}")
        return done.stdout or ""


def expect(true: bool, what: str, found: str) -> None:
    """ClusterError unless it is as the proposal shows it."""
    if not true:
        raise ClusterError(f"expected: {what}; found:\n{found}")
