"""A Prefect server and worker of this checkout's own, on loopback: settings in a generated prefect.toml, state in one folder.

The user's own Prefect profile is never touched: prefect.toml in the current folder wins over it for what it names.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster.vocabulary.errors import EnvironmentFault

POOL = "sixstack"
SIXSTACK = [sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())"]  # the command, of this very checkout
NICE = 10  # of the server
SERVER_START_LIMIT = 120.0  # seconds; a fresh database takes 10 to 14 s on two cores
Say = Callable[[str], None]
_children: dict[int, subprocess.Popen[bytes]] = {}  # what this very process has started, by process id


@dataclass(frozen=True)
class LocalPrefect:
    """One server and one worker: `root` holds prefect.toml, `root/.sixstack` everything else."""

    root: Path

    @property
    def state(self) -> Path:
        """Folder of database, logs and pid files."""
        return self.root / ".sixstack"

    @property
    def settings_file(self) -> Path:
        """The generated settings."""
        return self.root / "prefect.toml"

    @property
    def api(self) -> str:
        """URL of the API, as the settings file has it."""
        import tomllib

        return str(tomllib.loads(self.settings_file.read_text(encoding="utf-8"))["api"]["url"])

    @property
    def ui(self) -> str:
        """Address of the UI for people."""
        return self.api.removesuffix("/api")

    def start(self, say: Say) -> None:
        """Server and worker up; what already runs is reused."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        if self.healthy():
            say(f"Prefect server runs already: {self.ui}")
        else:
            self.stop(say)
            self._write_settings()
            say(f"starting a Prefect server: {self.ui} (log: {self.state / 'server.log'})")
            self._spawn("server", "server", "start")
            self._await_health()
        if not self._alive("worker"):
            self._bury_dead_runs(say)
            self._prefect("work-pool", "create", POOL, "--type", "process", "--overwrite")
            say(f"starting a Prefect worker (log: {self.state / 'worker.log'})")
            self._spawn("worker", "worker", "start", "--pool", POOL, "--name", "sixstack", "--limit", "8")

    def deploy(self, say: Say) -> None:
        """Register block types and deployments."""
        say("registering blocks and deployments")
        for module in ("ssh_credential", "artifact_bundle", "audit_store", "saved_kubeconfig"):
            self._prefect("block", "register", "--module", f"blocks.{module}")
        file = Path(__file__).parent.parent / "deployments" / "prefect.yaml"
        self._prefect("--no-prompt", "deploy", "--all", "--prefect-file", str(file))

    def register(self, *, bundle: Path, credential: str, key_file: Path, audit: Path) -> None:
        """Save the blocks that a lab's cluster files name: bundle `lab`, the SSH credential, and where records go."""
        blocks = {"bundle": ["lab", str(bundle)], "credential": [credential, str(key_file)], "audit": ["default", str(audit)]}
        # a process of its own, in the folder with prefect.toml: this one has no Prefect settings loaded
        self._python("demo.register_blocks", json.dumps(blocks))

    def run_deployment(self, deployment: str, parameters: str) -> str:
        """Start a run with `prefect deployment run`, as users do; `parameters` are JSON. The flow run's id."""
        said = self._python("prefect", "deployment", "run", deployment, "--params", "-", feed=parameters)
        found = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", said)
        if found is None:
            raise EnvironmentFault(f"prefect names no run:\n{said}")
        return found[0]

    def registration(self) -> str:
        """Changes when what `deploy` registers does."""
        import hashlib

        room = Path(__file__).parent.parent
        files = sorted(
            [
                room / "deployments" / "prefect.yaml",
                *(room / "blocks").glob("*.py"),
                *(room / "flows").glob("*.py"),
                room / "cluster" / "spec.py",
            ]
        )
        return hashlib.sha256(b"".join(file.read_bytes() for file in files) + self.api.encode()).hexdigest()

    def remove(self, say: Say) -> None:
        """Everything of the state folder but the audit records, which are nobody's to lose."""
        import shutil

        self.settings_file.unlink(missing_ok=True)
        for entry in self.state.iterdir() if self.state.exists() else ():
            if entry.name == "audit":
                say(f"kept: the audit records in {entry}")
            elif entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def stop(self, say: Say) -> None:
        """Worker, its flow runs and the server are ended, by process id."""
        for name in ("worker", "server"):
            if pid := self._alive(name):
                say(f"stopping the Prefect {name} (process {pid})")
                _end(pid)
                if child := _children.pop(pid, None):
                    child.wait()  # one of our own stays a zombie until somebody asks
            (self.state / f"{name}.pid").unlink(missing_ok=True)

    def healthy(self) -> bool:
        """The server of our own settings file answers."""
        if not self.settings_file.exists() or not self._alive("server"):
            return False
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=3) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _write_settings(self) -> None:
        port = self._free_port()
        self.settings_file.write_text(
            f"""# generated by sixstack; git-ignored. `prefect` and `sixstack` use it when they are run from this folder.
home = {json.dumps(str(self.state / "prefect"))}

[api]
url = "http://127.0.0.1:{port}/api"

[server]
analytics_enabled = false

[server.api]
host = "127.0.0.1"
port = {port}

[server.concurrency]
# the default keeps leases in memory: a killed server would leave a cluster's slot taken for ever
lease_storage = "prefect.server.concurrency.lease_storage.filesystem"

[server.services.task_run_recorder]
# one write for many task-run events: 2.3 to 2.8 times less server time (measured)
batch_size = 100
flush_interval = 1.0

[worker]
query_seconds = 2
""",
            encoding="utf-8",
        )

    def _free_port(self) -> int:
        """The port of the last time when nobody took it meanwhile, else any free one."""
        wanted = 0
        if self.settings_file.exists():
            with contextlib.suppress(Exception):
                wanted = int(self.api.rsplit(":", 1)[1].split("/")[0])
        for port in (wanted, 0):
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
        raise EnvironmentFault("no free TCP port on 127.0.0.1")

    def environment(self) -> dict[str, str]:
        """The environment for our Prefect processes: the user's own PREFECT_ variables do not reach them."""
        return {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.state / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *arguments],
                cwd=self.root,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if name == "server":
            # it keeps the books of what happens: on the machine that the lab's hosts share with it, they go first
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        _children[process.pid] = process
        (self.state / f"{name}.pid").write_text(f"{process.pid} {_started(process.pid)}", encoding="utf-8")

    def _prefect(self, *arguments: str) -> None:
        self._python("prefect", *arguments)

    def _python(self, module: str, *arguments: str, feed: str | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.root,
            env=self.environment(),
            input=feed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise EnvironmentFault(f"{module} {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _await_health(self) -> None:
        deadline = time.monotonic() + SERVER_START_LIMIT
        while not self.healthy():
            if not self._alive("server") or time.monotonic() > deadline:
                tail = (self.state / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
                raise EnvironmentFault(f"the Prefect server did not start:\n{tail}")
            time.sleep(0.25)  # the server announces nothing when it is ready: asking is all there is

    def _alive(self, name: str) -> int | None:
        """The process id of ours that still runs; a number taken over by another process does not count."""
        try:
            pid, started = (self.state / f"{name}.pid").read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return None
        return int(pid) if _started(int(pid)) == started else None

    def _bury_dead_runs(self, say: Say) -> None:
        """No worker of ours lives, so no run of ours does: runs that a kill left as running are set to Crashed."""
        code = (
            "from prefect.client.orchestration import get_client\n"
            "from prefect.client.schemas.filters import *\n"
            "from prefect.client.schemas.objects import StateType\n"
            "from prefect.states import Crashed\n"
            "kinds = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING, StateType.SCHEDULED]\n"
            "with get_client(sync_client=True) as client:\n"
            "    runs = client.read_flow_runs(flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=kinds))))\n"
            "    for run in runs:\n"
            "        client.set_flow_run_state(run.id, Crashed(message='the worker was killed'), force=True)\n"
            "        print(run.name)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.root, env=self.environment(), capture_output=True, text=True, timeout=120, check=False
        )
        for name in done.stdout.splitlines():
            say(f"the run `{name}` had died with its worker: marked as crashed")


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks: together with its id it names the process for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _family_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for known in found:
        found += children.get(known, [])
    return found


def _end(pid: int) -> None:
    """End a process and its descendants: asked first, killed after ten seconds."""
    family = {one: _started(one) for one in _family_of(pid)}
    for number, ending in ((pid, signal.SIGTERM), *((one, signal.SIGKILL) for one in family)):
        if _started(number) != family[number]:
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, ending)
        deadline = time.monotonic() + 10
        while ending is signal.SIGTERM and _started(number) == family[number] and time.monotonic() < deadline:
            if not _running(number):
                break
            time.sleep(0.05)


def _running(pid: int) -> bool:
    """Not gone and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
