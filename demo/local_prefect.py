"""A Prefect server and worker for this checkout, on loopback: settings in a generated prefect.toml, state in one folder.

The settings in prefect.toml of the current folder win over the user's own Prefect profile, which stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psutil

from blocks.age_identity import recipient_of
from bundle.manifest import manifest_sha256
from cluster.vocabulary.errors import EnvironmentFault
from demo.prefect_settings import PrefectSettings, make_private

Report = Callable[[str], None]

SIXSTACK = [sys.executable, "-m", "cli"]  # the `sixstack` command of this checkout
POOL = "sixstack"
NICE = 10  # of the server: the hosts of a lab share its machine, and their work goes first
SERVER_START_LIMIT = 120.0  # seconds; a fresh database takes 10 to 14 s on two cores
NIGHTLY = "nightly"  # the schedule that `sixstack schedule-retests` creates by default
STOP_LIMIT = 10.0  # seconds from SIGTERM to SIGKILL
COMMANDS = {
    "server": ["-m", "prefect", "server", "start"],
    "worker": ["-m", "prefect", "worker", "start", "--pool", POOL, "--name", "sixstack", "--limit", "8"],
}
_CHECKOUT = Path(__file__).parent.parent
_children: list[subprocess.Popen[bytes]] = []  # Python warns about a running process whose Popen object is gone


@dataclass(frozen=True)
class LocalPrefect:
    """One server and one worker: `root` holds prefect.toml, `root/.sixstack` everything else."""

    root: Path

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

    @property
    def settings(self) -> PrefectSettings:
        """The generated settings, with the password."""
        return PrefectSettings(self.root)

    @property
    def api(self) -> str:
        """URL of the API, from the settings file."""
        return self.settings.api

    @property
    def ui(self) -> str:
        """Address of the UI."""
        return self.settings.ui

    def environment(self) -> dict[str, str]:
        """The environment of every Prefect process: without the user's own PREFECT_ variables."""
        return {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}

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
            self._crash_runs(report)
            self._python("prefect", "work-pool", "create", POOL, "--type", "process", "--overwrite")
            report(f"starting a Prefect worker (log: {self.state / 'worker.log'})")
            self._spawn("worker")

    def stop(self, report: Report) -> None:
        """End the worker, its flow runs and the server."""
        for name in ("worker", "server"):
            if process := self.process(name):
                report(f"stopping the Prefect {name} (process {process.pid})")
                _end(process)
        _children[:] = [child for child in _children if child.poll() is None]

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
        """The running `server` or `worker` of this folder.

        Command line and working folder identify it, so no process id is stored, and none can be stale or belong to another process.
        """
        root, command = str(self.root.resolve()), COMMANDS[name]
        for process in psutil.process_iter(["cmdline", "cwd"]):
            if process.info["cwd"] == root and (process.info["cmdline"] or [])[1 : 1 + len(command)] == command:
                return process
        return None

    def healthy(self) -> bool:
        """Whether this folder's server answers, and only to the password."""
        return self.settings.protected() and self.process("server") is not None and self._answers()

    def deploy(self, report: Report) -> None:
        """Register block types and deployments, and create the inactive schedule of the retests unless it exists."""
        report("registering blocks and deployments")
        self._python("prefect", "block", "register", "--module", "blocks.types")
        self._python("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(_CHECKOUT / "deployments" / "prefect.yaml"))
        retests = self.request("GET", "/deployments/name/retest-clusters/default").raise_for_status().json()
        if NIGHTLY not in {schedule["slug"] for schedule in retests["schedules"]}:  # one that the user changed stays as it is
            self._python("cli", "schedule-retests", "--name", NIGHTLY)

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

    def save_blocks(self, blocks: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Save blocks, each as type slug -> name -> fields; an existing block is overwritten. Secrets are on no command line."""
        # in a process of its own, whose folder has prefect.toml: this process has read no Prefect settings
        self._python("demo.register_blocks", stdin=json.dumps(blocks))

    def run_deployment(self, deployment: str, parameters: str) -> str:
        """Start a run with `prefect deployment run`, as users do; `parameters` are JSON. Returns the flow run's id."""
        output = self._python("prefect", "deployment", "run", deployment, "--params", "-", stdin=parameters)
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", output)
        if found is None:
            raise EnvironmentFault(f"prefect printed no flow run id:\n{output}")
        return found[0]

    def request(self, method: str, path: str, body: object = None) -> httpx.Response:
        """One request to the API, with the password, and for a change with the token of Prefect's CSRF protection."""
        # trust_env: a proxy of the user's environment does not reach this loopback address
        with httpx.Client(base_url=self.api, auth=self.settings.credential, timeout=30, trust_env=False) as client:
            if method != "GET":
                name = str(uuid4())
                answer = client.get("/csrf-token", params={"client": name})
                if not answer.is_success:
                    return answer
                client.headers.update({"Prefect-Csrf-Client": name, "Prefect-Csrf-Token": answer.json()["token"]})
            return client.request(method, path, json=body)

    def _free_port(self) -> int:
        """The port of the previous start if it is free, else any free port."""
        previous = 0
        with contextlib.suppress(OSError, ValueError, KeyError):  # no settings file yet, or an edited one
            previous = urlsplit(self.api).port or 0
        for port in (previous, 0):
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
        raise EnvironmentFault("no free TCP port on 127.0.0.1")

    def _spawn(self, name: str) -> subprocess.Popen[bytes]:
        make_private(self.state / f"{name}.log")
        with (self.state / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *COMMANDS[name]],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal does not reach it
                # the results of runs are for this user alone; the server copies its UI into Prefect's own folder, for all users
                umask=0o077 if name == "worker" else -1,
            )
        _children.append(process)
        return process

    def _wait_until_healthy(self, server: subprocess.Popen[bytes]) -> None:
        psutil.Process(server.pid).nice(NICE)
        deadline = time.monotonic() + SERVER_START_LIMIT
        while not self._answers():
            if server.poll() is not None or time.monotonic() > deadline:
                tail = (self.state / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
                raise EnvironmentFault(f"the Prefect server did not start:\n{tail}")
            time.sleep(0.25)  # the server announces nothing when it is ready

    def _answers(self) -> bool:
        """Whether the API accepts the password and nothing less: the running server may be older than its settings file."""
        path = "/admin/version"  # /health needs no password
        try:
            return (
                self.request("GET", path).is_success
                and httpx.get(f"{self.api}{path}", timeout=30, trust_env=False).status_code == httpx.codes.UNAUTHORIZED
            )
        except httpx.TransportError:
            return False

    def _crash_runs(self, report: Report) -> None:
        """Set the runs of a killed worker to Crashed: without a worker, no run of this server is active.

        Runs that a schedule has planned stay: Prefect would not plan them again, and the schedule would start nothing for days.
        """
        active = {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING", "SCHEDULED"]}}}
        crashed = {"state": {"type": "CRASHED", "name": "Crashed", "message": "the worker was killed"}, "force": True}
        for run in self.request("POST", "/flow_runs/filter", {"flow_runs": active}).raise_for_status().json():
            if run["auto_scheduled"] and run["state_name"] == "Scheduled":  # an overdue one is Late
                continue
            self.request("POST", f"/flow_runs/{run['id']}/set_state", crashed).raise_for_status()
            report(f"the worker of run `{run['name']}` was killed: the run is now Crashed")

    def _python(self, module: str, *arguments: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env=self.environment(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise EnvironmentFault(f"{module} {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout


def _end(process: psutil.Process) -> None:
    """End a process and its descendants: SIGTERM to the process, and SIGKILL to the rest after STOP_LIMIT."""
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = [process, *process.children(recursive=True)]
        process.terminate()
        psutil.wait_procs([process], timeout=STOP_LIMIT)
        for remaining in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                remaining.kill()
        psutil.wait_procs(tree, timeout=STOP_LIMIT)
