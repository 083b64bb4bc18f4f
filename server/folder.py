"""A folder with prefect.toml, in which `prefect` and `sixstack` use the server that it describes: requests, deployments and blocks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from blocks.prefect_api import NotFound, PrefectApi, ServerAccess, verification
from cluster.vocabulary.errors import EnvironmentFault
from server.processes import POOL
from server.settings import PrefectSettings

Report = Callable[[str], None]

START_LIMIT = 120.0  # seconds; a fresh database takes 10 to 14 s on two cores
COMMAND_LIMIT = 300.0  # seconds; a deploy takes 15 s on two cores, and took more than 120 s beside eleven busy processes
ACTIVE = ("RUNNING", "PENDING", "CANCELLING")  # types of the state of a run that has a process
LOST = "the worker was killed"
_WORKER = "prefect.worker.name"  # label that a worker gives to a run before it starts the run's process
NIGHTLY = "nightly"  # the schedule that `sixstack schedule-retests` creates by default
_CHECKOUT = Path(__file__).parent.parent
PREFECT_FILE = _CHECKOUT / "deployments" / "prefect.yaml"
AUTOMATIONS = _CHECKOUT / "deployments" / "automations" / "killed-workers.yaml"


def fault_of_api(url: str, credential: tuple[str, str], *, trust_env: bool, authority: str | None = None) -> str | None:
    """Why this server cannot be used; None when it accepts the password and nothing less. `authority`: the file with its certificate."""
    path = f"{url}/admin/version"  # /health needs no password
    try:
        with httpx.Client(timeout=30, trust_env=trust_env, verify=verification(url, authority)) as client:
            answer = client.get(path, auth=credential)
            if answer.status_code == httpx.codes.UNAUTHORIZED:
                return "refuses the password"
            if not answer.is_success:
                return f"is no Prefect server: it answers {answer.status_code}"
            if client.get(path).status_code != httpx.codes.UNAUTHORIZED:
                return (
                    "has no password: everybody who reaches it could read the keys in its blocks. Set PREFECT_SERVER_API_AUTH_STRING there"
                )
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"cannot be reached: {str(error) or type(error).__name__}"
    return None


def free_port(ports: Iterable[int]) -> int | None:
    """The first of these ports that is free on 127.0.0.1; 0 stands for any port."""
    for port in ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    return None


@dataclass(frozen=True)
class ServerFolder:
    """`root` holds prefect.toml."""

    root: Path

    @property
    def settings(self) -> PrefectSettings:
        """The generated settings, with the password."""
        return PrefectSettings(self.root)

    @property
    def api(self) -> str:
        """URL of the API, from the settings file."""
        return self.settings.api

    @property
    def port(self) -> int | None:
        """Port of the API; None when there is no settings file yet, or an edited one."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            return urlsplit(self.api).port
        return None

    @property
    def ui(self) -> str:
        """Address of the UI."""
        return self.settings.ui

    def environment(self) -> dict[str, str]:
        """The environment of every Prefect process: without the user's own PREFECT_ variables."""
        return {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}

    def answers(self) -> bool:
        """Whether the API accepts the password and nothing less: the running server may be older than its settings file."""
        return self.fault() is None

    def fault(self) -> str | None:
        """Why the server cannot be used."""
        settings = self.settings
        return fault_of_api(settings.api, settings.credential, trust_env=self._trust_env, authority=settings.authority)

    def is_outdated(self) -> bool:
        """Whether a server runs that does not know the password: it is older than the settings file."""
        with contextlib.suppress(httpx.HTTPError), self._client() as client:
            return client.get("/health").is_success and not self.answers()
        return False

    def wait_until_it_answers(self, runs: Callable[[], bool], last_lines: Callable[[], str]) -> None:
        """Wait for the server; EnvironmentFault with the end of its log when it does not run any more, or after START_LIMIT."""
        deadline = time.monotonic() + START_LIMIT
        while not self.answers():
            if not runs() or time.monotonic() > deadline:
                raise EnvironmentFault(f"the Prefect server did not start:\n{last_lines()}")
            time.sleep(0.25)  # the server announces nothing when it is ready

    def create_work_pool(self) -> None:
        """Create the work pool, unless it exists. EnvironmentFault when it is of another type, which runs nothing of sixstack."""
        pool = self.ask("GET", f"/work_pools/{POOL}")
        if pool is None:
            self.python("prefect", "work-pool", "create", POOL, "--type", "process")
        elif pool["type"] != "process":
            raise EnvironmentFault(f"the work pool `{POOL}` of {self.api} has the type {pool['type']}, and must be of type process")

    def deploy(self, report: Report) -> None:
        """Register block types and deployments, and create the inactive schedule of the retests and the inactive automations unless they exist."""
        report("registering blocks and deployments")
        self.python("prefect", "block", "register", "--module", "blocks.types")
        self.python("prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(PREFECT_FILE))
        retests = self.ask("GET", "/deployments/name/retest-clusters/default")
        if NIGHTLY not in {schedule["slug"] for schedule in retests["schedules"]}:  # one that the user changed stays as it is
            self.python("cli", "schedule-retests", "--name", NIGHTLY)
        for automation in yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]:
            same_name = {"automations": {"name": {"any_": [automation["name"]]}}}
            if not self.ask("POST", "/automations/filter", same_name):
                self.ask("POST", "/automations/", automation)

    def save_blocks(self, blocks: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Save blocks, each as type slug -> name -> fields; an existing block is overwritten. Secrets are on no command line."""
        # in a process of its own, whose folder has prefect.toml: this process has read no Prefect settings
        self.python("server.register_blocks", stdin=json.dumps(blocks))

    def crash_lost_runs(self, report: Report, states: Sequence[str] = ACTIVE, *, worker: str | None = None) -> None:
        """Set the runs of a killed worker to Crashed: without a worker, no run of this server is active.

        `worker`: its name, where workers of other machines may be alive. A run that has no worker yet counts as its own.
        Runs that a schedule has planned stay: Prefect would not plan them again, and the schedule would start nothing for days.
        """
        for run in self.runs_in(states):
            if run["auto_scheduled"] and run["state_name"] == "Scheduled":  # an overdue one is Late
                continue
            if worker is not None and self._worker_of(run) not in {None, worker}:
                continue
            crashed = {"state": {"type": "CRASHED", "name": "Crashed", "message": LOST}, "force": True}
            self.ask("POST", f"/flow_runs/{run['id']}/set_state", crashed)
            report(f"the worker of run `{run['name']}` was killed: the run is now Crashed")

    def _worker_of(self, run: dict[str, Any]) -> str | None:
        """The name of the worker that took a run, or the run of which it is a part; None when none has."""
        while run["parent_task_run_id"] is not None:
            task = self.ask("GET", f"/task_runs/{run['parent_task_run_id']}")
            if task is None or (parent := self.ask("GET", f"/flow_runs/{task['flow_run_id']}")) is None:
                break
            run = parent
        name = run["labels"].get(_WORKER)
        return None if name is None else str(name)

    def runs_in(self, states: Sequence[str]) -> list[dict[str, Any]]:
        """The flow runs in these types of state."""
        wanted = {"state": {"type": {"any_": list(states)}}}
        return list(self.ask("POST", "/flow_runs/filter", {"flow_runs": wanted}))

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The document of the answer; None when there is nothing at this path. EnvironmentFault when the server refuses or does not answer."""
        with self._client() as client:
            server = PrefectApi(ServerAccess(self.api), client)
            try:
                return server.get(path) if method == "GET" else server.post(path, body)
            except NotFound:
                return None

    def request(self, method: str, path: str, body: object = None) -> httpx.Response:
        """The answer to one request, also when it is a refusal."""
        with self._client() as client:
            return PrefectApi(ServerAccess(self.api), client).answer(method, path, json=body)

    def _client(self) -> httpx.Client:
        settings = self.settings
        verify = verification(settings.api, settings.authority)
        return httpx.Client(base_url=settings.api, auth=settings.credential, timeout=30, trust_env=self._trust_env, verify=verify)

    @property
    def _trust_env(self) -> bool:
        """A proxy of the user's environment does not reach the loopback address of the own server."""
        return not self.settings.has_server

    def python(self, module: str, *arguments: str, stdin: str | None = None) -> str:
        """Run a module in the folder; its output. EnvironmentFault when it fails."""
        try:
            done = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                cwd=self.root,
                env=self.environment(),
                input=stdin,
                capture_output=True,
                text=True,
                timeout=COMMAND_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EnvironmentFault(f"{module} {' '.join(arguments)} did not end within {COMMAND_LIMIT:.0f} s") from None
        if done.returncode:
            raise EnvironmentFault(f"{module} {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout
