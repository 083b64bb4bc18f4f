"""Where a case is played: the hosts of a lab, and `sixstack` as its users run it, in a folder with prefect.toml."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.vocabulary.errors import ClusterError
from demo.local_prefect import SIXSTACK

if TYPE_CHECKING:
    from demo.local_prefect import LocalPrefect

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
        self._run([*SIXSTACK, *arguments])

    def read(self, *arguments: str) -> str:
        """What `sixstack ARGUMENTS` prints; ClusterError when it fails."""
        return self._run([*SIXSTACK, *arguments], shown=False)

    def deploy(self, deployment: str, **parameters: Any) -> None:
        """Run a deployment to its end, a line a step; ClusterError when the run fails."""
        text = json.dumps(parameters)
        print(f"$ prefect deployment run {deployment} --params '{text}'", flush=True)
        self.do("follow", self.prefect.run_deployment(deployment, text))

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
