"""A Prefect server and worker for this checkout, on loopback: settings in a generated prefect.toml, state in one folder.

The settings in prefect.toml of the current folder win over the user's own Prefect profile, which stays as it is.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from blocks.age_identity import recipient_of
from bundle.manifest import manifest_sha256
from cluster.vocabulary.errors import EnvironmentFault
from server import processes
from server.folder import ACTIVE, Report, ServerFolder, free_port

SIXSTACK = [sys.executable, "-m", "cli"]  # the `sixstack` command of this checkout
NICE = 10  # of the server: the hosts of a lab share its machine, and their work goes first
WITHOUT_A_WORKER = (*ACTIVE, "SCHEDULED")  # states that a run of this server has only while a worker is to take it
COMMANDS = {"server": processes.SERVER, "worker": processes.worker("sixstack")}


@dataclass(frozen=True)
class LocalPrefect(ServerFolder):
    """One server and one worker: `root` holds prefect.toml, `root/.sixstack` everything else."""

    @property
    def state(self) -> Path:
        """Folder of the database, the logs and the blocks' files."""
        return self.root / ".sixstack"

    @property
    def identity(self) -> Path:
        """The private age identity of the copies, which on your own server belongs on another machine."""
        return self.state / "backups" / "identity.txt"

    @property
    def copies(self) -> Path:
        """Folder of the Backup store."""
        return self.identity.parent / "copies"

    def start(self, report: Report) -> None:
        """Start the server and the worker; a running one is reused."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        self.state.chmod(0o700)
        if self.healthy():
            report(f"the Prefect server is running: {self.ui}")
        else:
            if self.process("server") and not self.settings.protected():
                report("the running Prefect server is not protected by a password: it and its worker start again with one; active runs end")
            self.stop(report)
            self.settings.write(home=self.state / "prefect", port=self._free_port())
            report(f"starting a Prefect server: {self.ui} (log: {self.state / 'server.log'})")
            self._wait_until_healthy(self._spawn("server"))
        if not self.process("worker"):
            self.crash_lost_runs(report, WITHOUT_A_WORKER)
            self.create_work_pool()
            report(f"starting a Prefect worker (log: {self.state / 'worker.log'})")
            self._spawn("worker")

    def stop(self, report: Report) -> None:
        """End the worker, its flow runs and the server."""
        for name in ("worker", "server"):
            if process := self.process(name):
                report(f"stopping the Prefect {name} (process {process.pid})")
                processes.end(process)

    def remove(self, report: Report) -> None:
        """Remove the settings and the state folder, except for the audit records, and the copies of deleted clusters with their key."""
        self.settings.file.unlink(missing_ok=True)
        for entry in self.state.iterdir() if self.state.exists() else ():
            if entry in (self.state / "audit", self.identity.parent):
                report(f"kept: the {'audit records' if entry.name == 'audit' else 'copies of deleted clusters and their key'} in {entry}")
            elif entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def process(self, name: str) -> psutil.Process | None:
        """The running `server` or `worker` of this folder."""
        return processes.find(self.root, COMMANDS[name])

    def healthy(self) -> bool:
        """Whether this folder's server answers, and only to the password."""
        return self.settings.protected() and self.process("server") is not None and self.answers()

    def register(self, *, bundle: Path, credential: str, key_file: Path, audit: Path) -> None:
        """Save the blocks that a lab's cluster files name: bundle `lab`, the SSH credential, the audit store, and the backup store."""
        self.save_blocks(
            {
                "artifact-bundle": {"lab": {"folder": str(bundle), "manifest_sha256": manifest_sha256(bundle)}},
                "ssh-credential": {credential: {"private_key": key_file.read_text(encoding="utf-8")}},
                "audit-store": {"default": {"url": str(audit)}},
                "backup-store": {"default": {"url": str(self.copies), "recipient": recipient_of(self.identity)}},
            }
        )

    def run_deployment(self, deployment: str, parameters: str) -> str:
        """Start a run with `prefect deployment run`, as users do; `parameters` are JSON. Returns the flow run's id."""
        output = self.python("prefect", "deployment", "run", deployment, "--params", "-", stdin=parameters)
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", output)
        if found is None:
            raise EnvironmentFault(f"prefect printed no flow run id:\n{output}")
        return found[0]

    def _free_port(self) -> int:
        """The port of the previous start if it is free, else any free port."""
        port = free_port((self.port or 0, 0))
        if port is None:
            raise EnvironmentFault("no free TCP port on 127.0.0.1")
        return port

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        return processes.spawn(
            self.root,
            COMMANDS[name],
            log=self.state / f"{name}.log",
            environment=self.environment(),
            # the results of runs are for this user alone; the server copies its UI into Prefect's own folder, for all users
            is_private=name == "worker",
        )

    def _wait_until_healthy(self, server: subprocess.Popen[bytes]) -> None:
        psutil.Process(server.pid).nice(NICE)
        log = self.state / "server.log"
        self.wait_until_it_answers(lambda: server.poll() is None, lambda: log.read_text(encoding="utf-8", errors="replace")[-2000:])
