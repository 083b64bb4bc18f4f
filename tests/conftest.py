"""Fixtures for tests of several packages: the built bundle, one lab, one real Prefect server, and clusters created one after another."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import glob
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, load_ssh_private_key

from blocks.age_identity import recipient_of
from cluster.vocabulary.families import Family, StackMode
from demo.local_prefect import SIXSTACK, LocalPrefect
from lab import hosts
from lab.base import OPS_USER
from lab.spec import cluster_document, cluster_file
from lab.state import LabHost
from server.folder import PREFECT_FILE
from tests import lived_in, prepared_run
from tests.prepared_command import PreparedCommand
from tests.prepared_run import HELD, OWN_STARTS
from tests.secret_search import awkward_password

# another name, of six characters at most, lets two runs of the tests share a machine
LABS = os.environ.get("SIXSTACK_TESTS_LAB", "tests")
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")  # the number of this process, where there are several
LAB = f"{LABS}-{WORKER}" if WORKER else LABS
BOTH = (Family.IPV4, Family.IPV6)
STAND_IN = (sys.executable, "-S", "-E", str(prepared_run.__file__))


@dataclass(frozen=True)
class Mode:
    """A stack mode and its primary family."""

    stack: StackMode
    primary: Family

    @property
    def families(self) -> tuple[Family, ...]:
        """Families of hosts for this mode: IPv6-only means hosts without any IPv4."""
        return (Family.IPV6,) if self.stack is StackMode.IPV6 else (Family.IPV4, Family.IPV6)

    def __str__(self) -> str:
        return f"{self.stack}-{self.primary}-first" if self.stack is StackMode.DUAL_STACK else str(self.stack)


MODES = (
    Mode(StackMode.DUAL_STACK, Family.IPV4),
    Mode(StackMode.DUAL_STACK, Family.IPV6),
    Mode(StackMode.IPV4, Family.IPV4),
    Mode(StackMode.IPV6, Family.IPV6),
)


@dataclass
class Workplace:
    """A folder with prefect.toml, in which `sixstack` and `prefect` run as for a user."""

    prefect: LocalPrefect
    planted: dict[str, str] = field(default_factory=dict)  # secrets that only blocks have, each under its kind
    _prepared: PreparedCommand = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Nothing is started before the first command."""
        self._prepared = PreparedCommand(self.prefect.root)

    def sixstack(
        self, *arguments: str, limit: float = 400, feed: str | None = None, own_start: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run the command; never raises on its exit code. `own_start`: it and its flow run start as for a user, with command lines of their own."""
        if own_start:
            with self._with_file(OWN_STARTS):
                return self.run([*SIXSTACK, *arguments], limit=limit, feed=feed)
        return self.python(*SIXSTACK[1:], *arguments, limit=limit, feed=feed)

    def python(self, *arguments: str, limit: float = 400, feed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `python` with these arguments, `-m MODULE`, `-c PROGRAM` or a file first, in a process that has imported Prefect.

        Never raises on its exit code.
        """
        return self._prepared.run([*arguments], environment=self.prefect.environment(), feed=feed, limit=limit)

    def popen(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        """Start what `python` runs, for tests that speak with it or end it."""
        return subprocess.Popen(self.command(*arguments), cwd=self.prefect.root, env=self.prefect.environment(), text=True, **streams)

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The command of a process that stands for what `python` runs (tests/prepared_run.py)."""
        self._prepared.start(self.prefect.environment())
        return (*STAND_IN, *arguments)

    def stop(self) -> None:
        """End the server and what commands were forked from."""
        self._prepared.stop()
        self.prefect.stop(say)

    def run(self, command: list[str], *, limit: float = 400, feed: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run any command in the folder."""
        return subprocess.run(
            command,
            cwd=self.prefect.root,
            env=self.prefect.environment(),
            capture_output=True,
            text=True,
            input=feed,
            timeout=limit,
            check=False,
        )

    def write(self, name: str, document: dict[str, Any]) -> str:
        """Write a cluster file into the folder; returns its path."""
        path = self.prefect.root / name
        path.write_text(cluster_file(document), encoding="utf-8")
        return str(path)

    def register(self, credentials: dict[str, dict[str, str]]) -> None:
        """Save SSH credential blocks; their values go through standard input."""
        self.save_blocks({"ssh-credential": credentials})

    def save_blocks(self, blocks: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Save blocks as LocalPrefect.save_blocks does it; their values go through standard input."""
        done = self.python("-m", "server.register_blocks", feed=json.dumps(blocks))
        assert done.returncode == 0, done.stdout + done.stderr

    def api(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """One request to the Prefect API: POST with a body, else GET, unless a method is given."""
        answer = self.prefect.request(method or ("GET" if body is None else "POST"), path, body)
        return answer.raise_for_status().json() if answer.content else None

    def start(self, deployment: str, parameters: dict[str, Any], *, own_start: bool = False, **body: Any) -> str:
        """Start a run of FLOW/DEPLOYMENT as `prefect deployment run` does; its id. `own_start`: its process starts as for a user."""
        found = self.api(f"/deployments/name/{deployment}")["id"]
        variables = {"job_variables": {"command": command_of_runs()}} if own_start else {}
        return str(self.api(f"/deployments/{found}/create_flow_run", {"parameters": parameters, **variables, **body})["id"])

    def held_runs(self) -> AbstractContextManager[None]:
        """While inside, flow runs of commands have a process that waits before the run begins: no test depends on how fast a run is."""
        return self._with_file(HELD)

    @contextlib.contextmanager
    def _with_file(self, name: str) -> Iterator[None]:
        file = self.prefect.root / name
        file.touch()
        try:
            yield
        finally:
            file.unlink()

    def prepare_runs(self) -> None:
        """Have the worker start flow runs in forks of the process that commands are forked from, once there is one (tests/prepared_run.py)."""
        command = f"sh -c 'exec setsid {shlex.join(STAND_IN)} -m prefect.engine'"
        for deployment in self.api("/deployments/filter", {"limit": 200}):
            variables = {**deployment["job_variables"], "command": command}
            self.api(f"/deployments/{deployment['id']}", {"job_variables": variables}, "PATCH")

    def remove_block(self, block: str) -> None:
        """Remove the block TYPE/NAME, if there is one."""
        slug, _, name = block.partition("/")
        found = self.api("/block_documents/filter", {"block_types": {"slug": {"any_": [slug]}}, "limit": 200})
        for document in found:
            if document["name"] == name:
                self.api(f"/block_documents/{document['id']}", method="DELETE")

    def ended(self, run: str, *, limit: float = 300) -> dict[str, Any]:
        """The flow run once it is in a final state."""
        deadline = time.monotonic() + limit
        while (found := self.api(f"/flow_runs/{run}"))["state_type"] in {"SCHEDULED", "PENDING", "RUNNING", "CANCELLING"}:
            assert time.monotonic() < deadline, found["state"]
            time.sleep(0.5)
        return dict(found)


def command_of_runs() -> str:
    """How the worker starts a flow run (deployments/prefect.yaml)."""
    settings = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
    return str(settings["definitions"]["work_pool"]["job_variables"]["command"])


def say(line: str) -> None:
    """Progress that pytest shows with -s, and on failure."""
    print(line, file=sys.stderr, flush=True)


@pytest.fixture(scope="session")
def bundle_folder() -> Path:
    """The lab's artifact bundle; built when it is not there yet."""
    from lab.build.bundle import build_bundle

    return build_bundle(say)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """One real Prefect server and worker, with block types and deployments registered; no lab."""
    prefect = LocalPrefect(tmp_path_factory.mktemp("prefect"))
    place = Workplace(prefect)
    try:
        _start(place, tmp_path_factory.getbasetemp().parent if WORKER else None)
        # else the first run would create one in the home of the user
        place.save_blocks({"audit-store": {"default": {"url": str(prefect.root / "audit")}}})
        yield place
    finally:
        place.stop()


def _start(place: Workplace, shared: Path | None) -> None:
    """Start the server and register all. `shared`: the folder of all processes of the tests, of which the first one does the work once.

    Half of the processor time of a new server goes into its empty database. The others begin with a copy of it, as it is before any test.
    """
    prefect = place.prefect
    with contextlib.ExitStack() as stack:
        if shared is not None:
            copy, database = shared / "prefect.db", database_of(prefect)
            lock = stack.enter_context((shared / "prefect.lock").open("w", encoding="utf-8"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            if copy.exists():
                database.parent.mkdir(mode=0o700, parents=True)
                shutil.copyfile(copy, database)
                stack.close()
                prefect.start(say)
                return
        prefect.start(say)
        prefect.deploy(say)
        place.prepare_runs()
        if shared is not None:
            copy_database(database, copy)


def database_of(prefect: LocalPrefect) -> Path:
    """The file of its server's database."""
    return prefect.state / "prefect" / "prefect.db"


def copy_database(source: Path, target: Path) -> None:
    """A copy of the database of a server that runs."""
    with contextlib.closing(sqlite3.connect(source)) as read, contextlib.closing(sqlite3.connect(target)) as write:
        read.backup(write)


@pytest.fixture(scope="session")
def lab_hosts() -> Iterator[tuple[LabHost, ...]]:
    """Three new hosts of both families for every test that needs one: who puts something on them takes it off again.

    Hosts that are there already are what a killed run left, with its cluster on them. With SIXSTACK_KEEP_LAB they are kept and used again.
    """
    keep = "SIXSTACK_KEEP_LAB" in os.environ
    with _only_user_of(LAB):
        if not keep:
            hosts.down(LAB)
        try:
            yield hosts.up(LAB, hosts=3, families=BOTH, management=BOTH, report=say)
        finally:
            if not keep:
                hosts.down(LAB, report=say)


@contextlib.contextmanager
def _only_user_of(lab: str) -> Iterator[None]:
    """Two runs of the tests on one machine must not share hosts: the second one fails at once."""
    with Path(tempfile.gettempdir(), f"sixstack-tests-{lab}.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pytest.fail(f"another run of the tests uses the lab {lab}: set SIXSTACK_TESTS_LAB to another name of six characters at most")
        yield


@pytest.fixture(scope="session")
def workplace(prefect_server: Workplace, bundle_folder: Path, lab_hosts: tuple[LabHost, ...]) -> Workplace:  # noqa: ARG001
    """The Prefect server with three bare hosts and the blocks that their cluster files name."""
    from bundle.unpack import unpack

    root, lab = prefect_server.prefect.root, hosts.lab_of(LAB)
    prefect_server.prefect.register(bundle=bundle_folder, credential=f"lab-{LAB}", key_file=lab.key_file, audit=root / "audit")
    passphrase = awkward_password()
    prefect_server.register(
        {
            f"login-{LAB}": {"password": lab.sudo_password()},
            f"ops-{LAB}": {
                "private_key": encrypted_key(lab.key_file, passphrase),
                "passphrase": passphrase,
                "sudo_password": lab.sudo_password(),
            },
        }
    )
    # file systems ignore an option that they do not know
    options = {"audit-store": {"secret": awkward_password()}, "backup-store": {"secret": awkward_password()}}
    recipient = recipient_of(prefect_server.prefect.identity)
    prefect_server.save_blocks(
        {
            "audit-store": {"default": {"url": str(root / "audit"), "options": options["audit-store"]}},
            "backup-store": {
                "default": {"url": str(prefect_server.prefect.copies), "recipient": recipient, "options": options["backup-store"]}
            },
        }
    )
    prefect_server.planted |= {
        "passphrase of the SSH key": passphrase,
        **{f"option of the {slug}": o["secret"] for slug, o in options.items()},
    }
    unpack(bundle_folder, "kubectl", prefect_server.prefect.state / "bin" / "kubectl")
    return prefect_server


def encrypted_key(file: Path, passphrase: str) -> str:
    """The private SSH key of a file, encrypted."""
    key = load_ssh_private_key(file.read_bytes(), None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(passphrase.encode())).decode()


class SeenProcess(NamedTuple):
    """What the kernel shows of a process."""

    command_line: str
    environment: tuple[str, ...]
    in_container: bool  # such as a host of a lab: with process ids of its own


@dataclass
class CommandLines:
    """Records the command lines and environments of all processes of this machine, including lab hosts, during its `with` block.

    Also at the memory of flow runs' processes: `peak_memory` is the most that one of them ever held, in bytes.
    """

    api: str = ""  # only flow runs of this Prefect server count; other tests have their own servers
    lab: Path | None = None  # the folder of a lab: tokens in the input files of its hosts' joins are kept
    seen: set[str] = field(default_factory=set)
    processes: set[SeenProcess] = field(default_factory=set)
    join_tokens: set[str] = field(default_factory=set)
    peak_memory: int = 0
    looks: int = 0

    # of kubeadm: 6 characters, a dot, 16 characters
    _TOKEN = re.compile(r"(?<![\w.-])[a-z0-9]{6}\.[a-z0-9]{16}(?![\w.-])")

    # looks, of which there are five a second
    _YOUNG = 10

    # the kernel's high-water mark of resident memory
    _PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")

    @property
    def tokens(self) -> set[str]:
        """Command lines with a bootstrap token."""
        return {line for line in self.seen if self._TOKEN.search(line)}

    def __enter__(self) -> CommandLines:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        known: dict[str, tuple[bytes, int]] = {}  # process id -> command line, and the look that saw it first
        engines: set[str] = set()  # process ids of this server's runs
        own = Path("/proc/self/ns/pid").readlink()
        while not self._end.wait(0.2):
            self.looks += 1
            processes = [*filter(str.isdigit, os.listdir("/proc"))]
            known = {process: known.get(process, (b"", self.looks)) for process in processes}
            for process in processes:
                line, since = known[process]
                # exec comes soon after fork: the many processes that have run for a while are looked at once in two seconds
                is_due = self.looks - since <= self._YOUNG or self.looks % self._YOUNG == 0
                with contextlib.suppress(OSError):  # it ended
                    now = _read(f"/proc/{process}/cmdline") if is_due else line
                    # a process without a command line is about to get one (exec), and is met again with it
                    if now and now != line:
                        known[process] = now, self.looks
                        self._note(process, now, own)
                        engines.discard(process)
                        if b"-m\0prefect.engine\0" in now and f"={self.api}\0".encode() in _read(f"/proc/{process}/environ"):
                            engines.add(process)
                    if process in engines and (peak := self._PEAK.search(_read(f"/proc/{process}/status"))):
                        self.peak_memory = max(self.peak_memory, int(peak[1]) * 1024)
            for file in glob.glob(f"{self.lab}/hosts/*/root/var/lib/sixstack/steps/*/work/*.yaml") if self.lab else ():
                with contextlib.suppress(OSError):  # the step ended
                    self.join_tokens.update(self._TOKEN.findall(Path(file).read_text()))

    def _note(self, process: str, line: bytes, own: Path) -> None:
        text = line.replace(b"\0", b" ").decode(errors="replace")
        self.seen.add(text)
        environment = _read(f"/proc/{process}/environ").decode(errors="replace").split("\0")
        elsewhere = Path(f"/proc/{process}/ns/pid").readlink() != own
        self.processes.add(SeenProcess(text, tuple(filter(None, environment)), elsewhere))


def _read(path: str) -> bytes:
    """A file of /proc; hundreds of them are read several times a second."""
    with open(path, "rb", buffering=0) as file:
        return file.readall()


def run_id(output: str) -> str:
    """The id of the flow run in the output of `sixstack create`."""
    found = re.search(r"(?m)^run \S+ ([0-9a-f-]{36})\b", output)
    assert found, output
    return found[1]


@dataclass
class MadeCluster:
    """A cluster that create-cluster created on the lab."""

    mode: Mode
    document: dict[str, Any]
    file: str
    place: Workplace
    output: str  # what `sixstack create` printed
    seconds: float
    command_lines: CommandLines  # of all processes, while it was made
    before: dict[str, list[str]] = field(default_factory=dict, kw_only=True)  # what its hosts were like before (tests/lived_in.py)
    before_delete: list[Callable[[], None]] = field(default_factory=list, init=False)
    # called after the cluster's delete with what it printed and the processes during it; an AssertionError says what is wrong
    after_delete: list[Callable[[str, CommandLines], None]] = field(default_factory=list, init=False)

    @property
    def name(self) -> str:
        """The cluster's name."""
        return str(self.document["name"])

    @property
    def run(self) -> str:
        """The id of the flow run that created the cluster."""
        return run_id(self.output)

    def kubectl(self, *arguments: str, limit: float = 60) -> str:
        """kubectl through `sixstack kubectl`; fails the test when it fails."""
        done = self.place.sixstack("kubectl", self.name, "--", *arguments, limit=limit)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def objects(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))


# What session fixtures still have to do on their hosts: pytest_runtest_protocol takes this process's lab down before the session ends.
_BEFORE_THE_LAB_GOES: list[Callable[[], None]] = []
# What ends before the session does: the API server holds six inotify instances (lab/inotify.py), which clusters of other processes need.
AFTER_THE_API_SERVERS_TESTS: list[Callable[[], None]] = []


class Claim:
    """What one process of the tests has at a time; the others wait. It ends with the process."""

    def __init__(self, name: str) -> None:
        self._path = Path(tempfile.gettempdir(), f"sixstack-tests-{LABS}-{name}.lock")
        self._file: TextIO | None = None

    def take(self) -> None:
        """Wait until no other process has it; does nothing in the process that has it."""
        if self._file is None:
            file = self._path.open("w", encoding="utf-8")
            fcntl.flock(file, fcntl.LOCK_EX)
            self._file = file

    def release(self) -> None:
        """Let another process have it; does nothing in a process that does not have it."""
        if self._file is not None:
            self._file.close()
            self._file = None


# Hosts beside the clusters of two processes: those of the bare hosts' tests, or the worker of Case 2's second cluster. The machine has too few inotify
# instances for both (lab/inotify.py).
MORE_HOSTS = Claim("more-hosts")


@pytest.fixture(scope="session", params=MODES, ids=str)
def made(request: pytest.FixtureRequest, workplace: Workplace) -> Iterator[MadeCluster]:
    """A cluster of each mode on the lab's hosts, one after another; each is created on hosts from which the previous one was deleted.

    The hosts have an owner with files, rules, units and mounts of his own (tests/lived_in.py): after the delete, all are as before.
    """
    mode: Mode = request.param
    with contextlib.ExitStack() as after_a_failure:
        after_a_failure.callback(hosts.down, LAB, report=say)  # the next mode begins on new hosts
        cluster = _created(mode, workplace)
        after_a_failure.pop_all()
    ends: list[subprocess.CompletedProcess[str]] = []
    left: list[str] = []
    faults: list[str] = []

    def delete() -> None:
        if not ends:
            for prepare in cluster.before_delete:
                prepare()
            with CommandLines(workplace.prefect.api) as watched:
                ends.append(workplace.sixstack("delete", cluster.file, "--confirm", cluster.name, own_start=True))
            left.extend(lived_in.changes(cluster.before, lived_in.look(LAB)))
            lived_in.move_out(LAB)
            for look in cluster.after_delete:
                try:
                    look(ends[0].stdout + ends[0].stderr, watched)
                except AssertionError as failed:
                    faults.append(str(failed))

    _BEFORE_THE_LAB_GOES.append(delete)
    yield cluster
    delete()
    _BEFORE_THE_LAB_GOES.remove(delete)
    assert ends[0].returncode == 0, ends[0].stdout + ends[0].stderr
    assert faults == []
    assert left == [], "what the owner had on the hosts changed"


def with_files_of(document: dict[str, Any], place: Workplace) -> dict[str, Any]:
    """The same cluster with the pod network as a user's two files beside the cluster file: they say what ours says, so the bundle has their images."""
    from cluster.file.reader import read_document
    from kube.pod_networks import network_documents

    spec = read_document(document).spec
    assert spec is not None
    documents = network_documents(spec)
    half = len(documents) // 2
    for name, part in (("first.yaml", documents[:half]), ("second.yaml", documents[half:])):
        (place.prefect.root / name).write_text(yaml.safe_dump_all(part), encoding="utf-8")
    policies = document.get("cni", {}).get("kind") == "calico"
    return {**document, "cni": {"kind": "manifests", "files": ["first.yaml", "second.yaml"], "network_policy": policies}}


def _created(mode: Mode, workplace: Workplace) -> MadeCluster:
    """A new cluster on hosts with an owner."""
    hosts.up(LAB, hosts=3, families=mode.families, management=mode.families, report=say)
    lived_in.live_in(LAB)
    before = lived_in.look(LAB)
    document = cluster_document(hosts.lab_of(LAB), hosts.status(LAB), mode.stack, mode.primary)
    if mode.stack is StackMode.IPV4:
        document = with_files_of(document, workplace)
    # a registry for which the owner has a configuration, and one without; the bundle has all images
    document["images"] = {
        **document.get("images", {}),
        "mirrors": {"docker.io": ["https://mirror.example"], "ghcr.io": ["https://mirror.example"]},
    }
    # every kind of credential: a password for login and sudo, an encrypted key and a password for sudo, and root's key
    document["hosts"][0]["ssh"] |= {"user": OPS_USER, "credential": f"login-{LAB}"}
    document["hosts"][1]["ssh"] |= {"user": OPS_USER, "credential": f"ops-{LAB}"}
    file = workplace.write("cluster.yaml", document)
    start = time.monotonic()
    with CommandLines(workplace.prefect.api, hosts.lab_of(LAB).folder) as command_lines:
        created = workplace.sixstack("create", file, own_start=True)
    assert created.returncode == 0, created.stdout + created.stderr
    return MadeCluster(mode, document, file, workplace, created.stdout, time.monotonic() - start, command_lines, before=before)


# Tests of one group run one after another in one process of `make test`. A test belongs to the first group that names it; where none does, its
# file is a group. The groups of WITH_HOSTS have a lab and a Prefect server each.
# (xdist's own groups, `--dist loadgroup`, do not work with pytest 9.2: it sets what is no longer read.)
GROUPS = {
    # servers that a test starts for itself
    "own-servers": (
        "tests/cli/test_pin.py::TestWithoutServer",
        "tests/hosts/test_transport.py",
        "tests/runs/test_record_writer.py",
        "tests/server/test_setup.py",
        "tests/server/test_team_files.py",
    ),
    "shared-clusters": (
        "tests/flows/test_audit.py",
        "tests/flows/test_certificates.py",
        "tests/flows/test_copies.py",
        "tests/flows/test_create_cluster.py",
        "tests/flows/test_inspect_cluster.py",
        "tests/flows/test_own_kubeconfig.py",
        "tests/flows/test_platform_host_network.py",
        "tests/flows/test_pod_network_start.py",
        "tests/flows/test_remove_workers.py",
        "tests/flows/test_restore.py",
        "tests/flows/test_secrets.py",
        "tests/flows/test_solutions.py::TestSolution1",
        "tests/flows/test_verify_cluster.py",
        "tests/kube/network_check/test_on_the_lab.py",
    ),
    "bare-hosts": (
        "tests/blocks/test_artifact_bundle.py",
        "tests/blocks/test_block_types.py",
        "tests/cli/test_audit.py",
        "tests/cli/test_backups.py",
        "tests/blocks/test_prefect_api.py",
        "tests/cli/test_commands.py",
        "tests/cli/test_credential.py",
        "tests/cli/test_completion.py",
        "tests/cli/test_following.py",
        "tests/cli/test_import.py",
        "tests/cli/test_kubectl.py",
        "tests/cli/test_retests.py",
        "tests/cli/test_notify.py",
        "tests/cli/test_pin.py",
        "tests/cli/test_schedule_certificates.py",
        "tests/cli/test_schedule_backups.py",
        "tests/cli/test_schedule_retests.py",
        "tests/cli/test_schedules.py",
        "tests/demo/test_local_prefect.py",
        "tests/demo/test_server_authentication.py",
        "tests/flows/test_deployments.py",
        "tests/flows/test_init.py",
        "tests/flows/test_refusals.py",
        "tests/flows/test_retest_refusals.py",
        "tests/flows/test_saved_clusters.py",
        "tests/hosts/",
        "tests/lab/",
        "tests/runs/",
        "tests/server/",
        # the scripts that need no cluster
        "tests/templates/test_killed_host_scripts.py::TestKilledAtSomeCalls",
    ),
    "own-clusters": (
        "tests/flows/",
        "tests/templates/test_host_scripts_on_a_host.py",
        "tests/templates/test_killed_host_scripts.py",
        "tests/templates/test_swap_on_a_host.py",
    ),
    "api-server": ("tests/kube/",),
}
OWN_SERVERS, API_SERVER = "own-servers", "api-server"
# Of the processes that run tests; 0 for the clusters, which take longest, and for servers of their own, which have to answer in time.
# With 3, the bare hosts' tests end at about the same time as those of the clusters; with 0, they ended 100 s before.
NICENESS = {"own-clusters": 0, "shared-clusters": 0, OWN_SERVERS: 0, "bare-hosts": 3, API_SERVER: 5}
NICENESS_WITHOUT_HOSTS = 15
# In the order in which they are begun. A shared cluster is there until a test asks for the next one: where one process has several groups,
# clusters of their own come before.
WITH_HOSTS = ("bare-hosts", "own-clusters", "shared-clusters")

# Fixtures that make a cluster of their own, in the order of their tests. The cases' hosts need the most of what the machine has least of
# (inotify instances, see lab/inotify.py): they come when the bare hosts of another process are gone.
OWN_CLUSTERS = ("nightly", "grown", "from_tkestack", "over_ipv4", "calico", "debian_13", "lost", "case_environment")


# the shared cluster of this mode is the last one of the other process with clusters: so both end at about the same time
_IPV4 = re.compile(rf"\[{MODES[2]}-|[\[-]{MODES[2]}\]")


def group_of(nodeid: str) -> str:
    """The group of a test."""
    group = next((group for group, places in GROUPS.items() if nodeid.startswith(places)), nodeid.partition("::")[0])
    return "own-clusters" if group == "shared-clusters" and _IPV4.search(nodeid) else group


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process a group, and the next group when it has finished."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The groups with hosts come first, so that they are begun first: bare hosts before those that become clusters, then mode by mode. In the
    group of the bare hosts, tests with labs of their own come first, and those without hosts last.

    A test that needs hosts and belongs to no such group is an error: it would need another lab, for which the machine has too few resources.
    """

    def place(item: pytest.Item) -> tuple[int, int]:
        group, used = group_of(item.nodeid), set(getattr(item, "fixturenames", ()))
        if group not in WITH_HOSTS:
            if item.get_closest_marker("lab") or used & {"lab_hosts", "prefect_server"}:
                raise pytest.UsageError(f"{item.nodeid} needs hosts or a Prefect server: name its file in GROUPS of {__file__}")
            return len(WITH_HOSTS) + {API_SERVER: 0, OWN_SERVERS: 2}.get(group, 1), 0
        if "made" in used:
            mode = MODES.index(item.callspec.params["made"])  # type: ignore[attr-defined]
            return WITH_HOSTS.index(group), mode + (0 if group == "shared-clusters" else len(OWN_CLUSTERS) + 1)
        if group == WITH_HOSTS[0]:
            return 0, 1 if "lab_hosts" in used else 0 if item.get_closest_marker("lab") else 2
        return WITH_HOSTS.index(group), next((number for number, name in enumerate(OWN_CLUSTERS, 1) if name in used), 0)

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What a collection of the tests makes stays: while it lasts, and later in what it made, no garbage is looked for."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


# begin and end of each group, for the summary: what takes long, and which process waits for which
_TIMES: dict[str, tuple[float, float]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note when a group began and ended."""
    group = group_of(report.nodeid)
    place = group if group in GROUPS else "other files"
    begin, end = _TIMES.get(place, (report.start, report.stop))
    _TIMES[place] = min(begin, report.start), max(end, report.stop)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """When each group of tests began and ended, in seconds: the last one is what `make test` waits for."""
    if WITH_HOSTS[0] in _TIMES:
        first = min(begin for begin, _ in _TIMES.values())
        spans = ", ".join(
            f"{group} {begin - first:.0f} to {end - first:.0f} s"
            for group, (begin, end) in sorted(_TIMES.items(), key=lambda item: item[1])
        )
        terminalreporter.write_line(f"groups of tests: {spans}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Where several processes run tests, those without hosts leave the machine to clusters: this process's lab goes, and they are nice.

    The last of the bare hosts' tests do not need its hosts: they go before the cases of another process need what the hosts hold.
    """
    if WORKER and os.geteuid() == 0:
        group = group_of(item.nodeid)
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS.get(group, NICENESS_WITHOUT_HOSTS))
        if group == WITH_HOSTS[0] and (item.get_closest_marker("lab") or "lab_hosts" in getattr(item, "fixturenames", ())):
            MORE_HOSTS.take()
        elif group not in WITH_HOSTS[1:]:
            if hosts.status(LAB):
                for act in _BEFORE_THE_LAB_GOES:
                    act()
                hosts.down(LAB, report=say)
            MORE_HOSTS.release()
    result = yield
    while AFTER_THE_API_SERVERS_TESTS and (nextitem is None or group_of(nextitem.nodeid) != API_SERVER):
        AFTER_THE_API_SERVERS_TESTS.pop()()
    return result
