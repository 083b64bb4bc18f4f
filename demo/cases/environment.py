"""Where a case runs: the hosts of a lab, and the `sixstack` command as its users run it, in a folder with prefect.toml."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.vocabulary.errors import ClusterError
from demo.local_prefect import SIXSTACK, LocalPrefect

_LIMIT_SECONDS = 900


@dataclass(frozen=True)
class CaseEnvironment:
    """A lab whose blocks are registered with a Prefect server that has a worker."""

    prefect: LocalPrefect
    lab: str
    probe_image: str  # of the bundle: a pod with a shell, ping and ip
    command: tuple[str, ...] = tuple(SIXSTACK)

    @property
    def folder(self) -> Path:
        """Where the case writes its files."""
        return self.prefect.state

    def run(self, *arguments: str) -> None:
        """Run `sixstack ARGUMENTS` with its output on the terminal; ClusterError when it fails."""
        print(f"$ sixstack {' '.join(arguments)}", flush=True)
        self._sixstack(arguments, None)

    def output_of(self, *arguments: str) -> str:
        """Run `sixstack ARGUMENTS` and return its standard output; ClusterError when it fails."""
        return self._sixstack(arguments, subprocess.PIPE)

    def run_deployment(self, deployment: str, **parameters: Any) -> None:
        """Run a deployment to its end, one line for each step; ClusterError when the run fails."""
        text = json.dumps(parameters)
        print(f"$ prefect deployment run {deployment} --params '{text}'", flush=True)
        self.run("follow", self.prefect.run_deployment(deployment, text))

    def _sixstack(self, arguments: tuple[str, ...], stream: int | None) -> str:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.prefect.root,
            env=self.prefect.environment(),
            stdout=stream,
            stderr=stream,
            text=True,
            check=False,
            timeout=_LIMIT_SECONDS,
        )
        if done.returncode:
            output = f":\n{done.stdout}{done.stderr}" if stream else ""
            raise ClusterError(f"`sixstack {' '.join(arguments)}` ended with exit code {done.returncode}{output}")
        return done.stdout or ""


def expect(true: bool, expected: str, found: str) -> None:
    """ClusterError unless the cluster is as the proposal shows it."""
    if not true:
        raise ClusterError(f"expected: {expected}; found:\n{found}")
